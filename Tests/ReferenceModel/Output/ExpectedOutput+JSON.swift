import Basics
import Foundation

/// Output that does not have the form that section "The command line" promises.
public struct MalformedOutput: Error, CustomStringConvertible {
    public let description: String
}

/// One JSON object of NDJSON, read strictly: a field that is missing or has another type is an error.
struct OutputRecord {
    private let line: String
    private let fields: [String: JSONValue]

    init(_ line: String) throws {
        self.line = line
        do {
            fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))
        } catch {
            throw MalformedOutput(description: "no JSON object in one line: \(line)")
        }
    }

    /// All objects of an output.
    static func all(_ output: [UInt8]) throws -> [OutputRecord] {
        try output.split(separator: UInt8(ascii: "\n")).map { bytes in
            guard let line = String(validating: bytes, as: UTF8.self) else {
                throw MalformedOutput(description: "not UTF-8: \(String(decoding: bytes, as: UTF8.self))")
            }
            return try OutputRecord(line)
        }
    }

    func has(_ name: String) -> Bool {
        fields[name] != nil
    }

    func string(_ name: String) throws -> ByteString {
        guard case .string(let text) = fields[name] else { throw wrong(name, "a string") }
        return ByteString(text)
    }

    /// Empty where the field is null or missing.
    func stringIfAny(_ name: String) throws -> ByteString {
        switch fields[name] {
        case nil, .null: ""
        case .string(let text): ByteString(text)
        default: throw wrong(name, "a string or null")
        }
    }

    func number(_ name: String) throws -> Int64 {
        guard case .number(let number) = fields[name] else { throw wrong(name, "a whole number") }
        return number
    }

    func bool(_ name: String) throws -> Bool {
        guard case .bool(let value) = fields[name] else { throw wrong(name, "true or false") }
        return value
    }

    func time(_ name: String) throws -> Timestamp {
        let text = try string(name).string
        guard text.hasSuffix("Z"), let time = Timestamp(rfc3339: text) else {
            throw wrong(name, "a time in UTC by RFC 3339")
        }
        return time
    }

    /// JSON null is an unknown id.
    func versionID(_ name: String) throws -> VersionID {
        switch fields[name] {
        case .null: .unknown
        case .string(let text): .id(ByteString(text))
        default: throw wrong(name, "a string or null")
        }
    }

    private func wrong(_ name: String, _ expected: String) -> MalformedOutput {
        MalformedOutput(description: "field \(name) should be \(expected): \(line)")
    }
}

/// The values that Icecore's records have.
enum JSONValue: Decodable {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .number(value)
        } else {
            self = .string(try container.decode(String.self))
        }
    }
}

extension LsLine {
    /// The lines that `icecore ls --json` printed.
    public static func parse(_ output: [UInt8]) throws -> [LsLine] {
        try OutputRecord.all(output).map { line in
            if line.has("prefix") { return .prefix(try line.string("prefix")) }
            return .key(
                try line.string("key"), size: try line.number("size"), lastModified: try line.time("lastModified"),
                etag: try line.string("etag"), id: try line.versionID("versionId"))
        }
    }
}

extension VersionsLine {
    /// The lines that `icecore versions --json` printed. A marker's ETag may be null or empty.
    public static func parse(_ output: [UInt8]) throws -> [VersionsLine] {
        try OutputRecord.all(output).map { line in
            let isMarker = try line.bool("deleteMarker")
            let version = Version(
                key: try line.string("key"), id: try line.versionID("versionId"),
                lastModified: try line.time("lastModified"),
                etag: isMarker ? try line.stringIfAny("etag") : try line.string("etag"),
                isMarker: isMarker, size: try line.number("size"))
            return VersionsLine(version, isLatest: try line.bool("isLatest"))
        }
    }
}

extension SnapshotsLine {
    /// The lines that `icecore snapshots --json` printed.
    public static func parse(_ output: [UInt8]) throws -> [SnapshotsLine] {
        try OutputRecord.all(output).map { line in
            SnapshotsLine(
                name: try line.string("name").string, takenAt: try line.time("takenAt"),
                keys: try line.number("keys"), bytes: try line.number("bytes"))
        }
    }
}

extension DiffLine {
    /// The lines that `icecore diff --json` printed: `change`, `key`, `fromVersionId`, `toVersionId`. The side that does
    /// not have the key is null, as is an unknown id.
    public static func parse(_ output: [UInt8]) throws -> [DiffLine] {
        try OutputRecord.all(output).map { line in
            let text = try line.string("change").string
            guard let change = Kind(rawValue: text) else {
                throw MalformedOutput(description: "'\(text)' is no change")
            }
            return DiffLine(
                change, try line.string("key"), old: change == .added ? nil : try line.versionID("fromVersionId"),
                new: change == .removed ? nil : try line.versionID("toVersionId"))
        }
    }
}
