import Basics
import Foundation

/// A stretch of the key space that has been listed to its end.
struct ListedPiece: Sendable {
    var range: KeyRange
    /// Its list file; nil if there is nothing in it.
    var file: String?
    var rows: Int
    var size: Int64
    var md5: [UInt8]
}

extension ListedPiece {
    /// `piece <file|-> <rows> <size> <MD5> <lower> <upper|*> <check>`: keys in hexadecimal digits after an `=`.
    var line: String {
        let text =
            "piece \(file ?? "-") \(rows) \(size) =\(Hex.encode(md5)) =\(Hex.encode(range.lower)) "
            + "\(range.upper.map { "=" + Hex.encode($0) } ?? "*") "
        return text + ListedPiece.check(text)
    }

    static func check(_ text: String) -> String {
        String(Hex.encode(SHA256.digest(Array(text.utf8))).prefix(16))
    }

    /// Reads such a line; nil for any other, as a kill or a power cut may leave it.
    init?(_ line: String) {
        let words = line.components(separatedBy: " ")
        guard words.count == 8, words[0] == "piece", let rows = Int(words[2]), rows >= 0, let size = Int64(words[3]),
            size >= 0, let md5 = ListedPiece.bytes(words[4]), let lower = ListedPiece.bytes(words[5]),
            ListedPiece.check(words[..<7].joined(separator: " ") + " ") == words[7]
        else { return nil }
        let upper = ListedPiece.bytes(words[6])
        guard upper != nil || words[6] == "*" else { return nil }
        file = words[1] == "-" ? nil : words[1]
        guard file.map({ ListedPiece.number(of: $0) != nil && md5.count == 16 }) ?? (rows == 0) else { return nil }
        range = KeyRange(lower: lower, upper: upper)
        self.rows = rows
        self.size = size
        self.md5 = md5
    }

    private static func bytes(_ word: String) -> [UInt8]? {
        guard word.hasPrefix("=") else { return nil }
        return Hex.decode(word.utf8.dropFirst())
    }

    static func name(_ number: Int) -> String {
        let digits = String(number)
        return "range-\(String(repeating: "0", count: max(0, 6 - digits.count)))\(digits).csv.gz"
    }

    /// The number in the name of a list file.
    static func number(of name: String) -> Int? {
        guard name.hasPrefix("range-"), name.hasSuffix(".csv.gz"), name.utf8.count < 40 else { return nil }
        let digits = name.dropFirst(6).dropLast(7)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits),
            number < 1 << 40
        else { return nil }
        return number
    }
}
