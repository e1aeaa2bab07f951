import Basics
import Model

/// A fact as a line of `blobs.facts`; docs/FORMAT.md describes it.
extension BlobFact {
    /// The most bytes of a line. The parts of an upload take no more than a fifth of that.
    static let longestLine = 1 << 20
    /// How many digits of its SHA-256 end a line.
    private static let checkLength = 16
    private static let space = UInt8(ascii: " ")
    private static let percent = UInt8(ascii: "%")

    /// The line, with its end.
    package var line: [UInt8] {
        var text = BlobFact.escaped(Array(etag.description.utf8)) + Array(" \(size) ".utf8)
        switch value {
        case .sha256(let digest): text += Array("sha256 \(Hex.encode(digest))".utf8)
        case .parts(.even(let part)): text += Array("even \(part)".utf8)
        case .parts(let layout):
            let runs = layout.runs.map { "\($0.count)x\($0.size)" }
            text += Array("uneven \(runs.joined(separator: ","))".utf8)
        }
        text.append(BlobFact.space)
        return text + BlobFact.check(text) + [UInt8(ascii: "\n")]
    }

    /// Reads a line without its end.
    ///
    /// - Returns: nil for anything but a fact, whole and as it was written.
    package init?(line: ArraySlice<UInt8>) {
        guard line.count > BlobFact.checkLength else { return nil }
        let text = line.dropLast(BlobFact.checkLength)
        guard line.suffix(BlobFact.checkLength).elementsEqual(BlobFact.check(Array(text))) else { return nil }
        let words = text.split(separator: BlobFact.space, omittingEmptySubsequences: false)
        guard words.count == 5, words[4].isEmpty, let name = BlobFact.unescaped(words[0]),
            let size = BlobFact.number(words[1]), let value = BlobFact.Value(words[2], words[3], ETag(name), size)
        else { return nil }
        self.init(etag: ETag(name), size: size, value)
    }

    private static func check(_ text: [UInt8]) -> ArraySlice<UInt8> {
        Array(Hex.encode(SHA256.digest(text)).utf8).prefix(checkLength)
    }

    fileprivate static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard (1...19).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(String(decoding: digits, as: UTF8.self))
    }

    /// An ETag of an unusual form may contain anything.
    private static func escaped(_ text: [UInt8]) -> [UInt8] {
        text.flatMap { byte in
            (0x21...0x7e).contains(byte) && byte != percent ? [byte] : [percent] + Array(Hex.encode([byte]).utf8)
        }
    }

    private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte != percent {
                bytes.append(byte)
                continue
            }
            guard let code = Hex.decode(rest.prefix(2)), code.count == 1 else { return nil }
            bytes += code
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}

extension BlobFact.Value {
    fileprivate init?(_ kind: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>, _ etag: ETag, _ size: Int64) {
        switch String(decoding: kind, as: UTF8.self) {
        case "sha256":
            guard text.count == 64, let digest = Hex.decode(text) else { return nil }
            self = .sha256(digest)
        case "even":
            guard let part = BlobFact.number(text), part > 0, etag.parts > 0 else { return nil }
            self = .parts(.even(part))
        case "uneven":
            var sizes: [Int64] = []
            for run in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
                let numbers = run.split(separator: UInt8(ascii: "x"), omittingEmptySubsequences: false)
                guard numbers.count == 2, let count = BlobFact.number(numbers[0]),
                    let part = BlobFact.number(numbers[1]), count <= PartLayout.mostParts - sizes.count
                else { return nil }
                sizes += repeatElement(part, count: Int(count))
            }
            guard let layout = PartLayout(sizes: sizes, size: size, count: etag.parts) else { return nil }
            self = .parts(layout)
        default: return nil
        }
    }
}
