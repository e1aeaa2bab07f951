import Basics
import Foundation

/// What the documents below `work/` have in common, as `docs/FORMAT-replica.md` describes it. Unknown fields are ignored.
enum WorkFormat {
    /// The newest that this program reads.
    static let current = 1
    static let root = "work/"
    /// Of a document that is not compressed.
    static let limit = 256 << 20

    static func directory(_ sync: String) -> String { "\(root)\(sync)/" }
    static func planPath(_ sync: String) -> String { "\(root)\(sync)/plan.json" }
    static func shardPath(_ number: Int, of sync: String) -> String { "\(path(number, sync)).json.gz" }
    static func leasePath(_ number: Int, of sync: String) -> String { "\(path(number, sync)).lease" }
    static func donePath(_ number: Int, of sync: String) -> String { "\(path(number, sync)).done" }

    private static func path(_ number: Int, _ sync: String) -> String {
        let digits = String(number)
        return "\(root)\(sync)/\(String(repeating: "0", count: max(0, 6 - digits.utf8.count)))\(digits)"
    }

    /// What a path below `work/` is.
    enum BoardEntry {
        case plan(sync: String)
        case shard(Int, sync: String)
        case lease(Int, sync: String)
        case done(Int, sync: String)
    }

    /// Reads a path; nil for anything else.
    static func entry(_ path: String) -> BoardEntry? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[0] == "work", isName(parts[1]) else { return nil }
        let (sync, file) = (parts[1], parts[2])
        if file == "plan.json" { return .plan(sync: sync) }
        guard let dot = file.firstIndex(of: "."), let number = Int(file[..<dot]), number >= 0 else { return nil }
        switch file[dot...] {
        case ".json.gz": return .shard(number, sync: sync)
        case ".lease": return .lease(number, sync: sync)
        case ".done": return .done(number, sync: sync)
        default: return nil
        }
    }

    /// Whether something can be the name of a sync.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 100 && !name.hasPrefix(".")
            && name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                    || [45, 46, 95].contains(byte)
            }
    }

    private struct WorkFormatField: Decodable {
        var format: Int
    }

    static func encode(_ document: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")]
    }

    /// - Parameter place: the document's name for messages.
    static func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ place: String) throws -> Document
    {
        guard let format = (try? UntrustedJSON.decode(WorkFormatField.self, from: bytes))?.format else {
            throw IcecoreError(.damaged, "\(place) is damaged, or no document of a plan")
        }
        if format > current {
            throw IcecoreError(
                .unsupported,
                "\(place): the plan has format \(format), this icecore reads formats up to \(current): install a newer "
                    + "icecore")
        }
        do {
            return try UntrustedJSON.decode(type, from: bytes)
        } catch {
            throw IcecoreError(.damaged, "\(place) lacks a required field, or has it in another form")
        }
    }

    static func compress(_ document: some Encodable) throws -> [UInt8] {
        try encode(document).withUnsafeBytes { try Gzip.compress($0) }
    }

    static func decompress<Document: Decodable>(
        _ type: Document.Type, _ bytes: [UInt8], _ place: String
    ) throws -> Document {
        // The last four bytes of a gzip member are the size of its content.
        let size = bytes.suffix(4).reversed().reduce(0) { $0 << 8 | Int64($1) }
        guard bytes.count >= 18, size <= Int64(limit) else { throw IcecoreError(.damaged, "\(place) is damaged") }
        return try decode(type, Gzip.decompress(bytes, size: size, place), place)
    }
}

/// Bytes in JSON: a text if they are one, else their hexadecimal digits behind a NUL.
struct PlannedText: Codable, Hashable {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard text.utf8.first == 0 else {
            bytes = Array(text.utf8)
            return
        }
        guard let decoded = Hex.decode(Array(text.utf8.dropFirst())) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no digits"))
        }
        bytes = decoded
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if bytes.first != 0, let text = String(validating: bytes, as: UTF8.self) {
            try container.encode(text)
        } else {
            try container.encode("\0" + Hex.encode(bytes))
        }
    }
}
