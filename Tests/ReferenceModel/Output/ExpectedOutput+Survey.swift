import Basics

/// A line of `icecore du --json`.
public struct DuLine: Hashable, Sendable {
    public var prefix: ByteString
    public var keys: Int64
    public var bytes: Int64
}

/// A line of `icecore find --json`.
public struct FindLine: Hashable, Sendable {
    public var version: Version
    /// Both nil unless `--ever` or `--deleted` was given; the second also where the key is not deleted.
    public var isDeleted: Bool?
    public var deletedAt: Timestamp?
}

/// What is asked of `icecore find`.
public struct FindQuestion: Sendable {
    public enum FindScope: Sendable {
        case view(String?)
        case ever
        case deleted
    }

    public var glob: ByteString
    public var prefix: ByteString
    public var scope: FindScope
    public var largerThan: Int64?

    public init(_ glob: ByteString, _ scope: FindScope, prefix: ByteString = "", largerThan: Int64? = nil) {
        self.glob = glob
        self.scope = scope
        self.prefix = prefix
        self.largerThan = largerThan
    }

    /// The command line's options.
    public var options: [String] {
        let scope: [String] =
            switch self.scope {
            case .view(let when): when.map { ["--at", $0] } ?? []
            case .ever: ["--ever"]
            case .deleted: ["--deleted"]
            }
        return scope + (prefix.isEmpty ? [] : ["--prefix=\(prefix.string)"])
            + (largerThan.map { ["--larger", "\($0)"] } ?? [])
    }

    /// Whether a version of a key is among what is asked for.
    func accepts(_ version: Version) -> Bool {
        let name = glob.bytes.contains(UInt8(ascii: "/")) ? version.key : version.key.components.last ?? ""
        return version.key.hasPrefix(prefix) && version.size > largerThan ?? -1
            && globMatches(Array(glob.string.unicodeScalars)[...], Array(name.string.unicodeScalars)[...])
    }
}

/// Whether a text is as a pattern of the shell says: nothing clever.
func globMatches(_ pattern: ArraySlice<Unicode.Scalar>, _ text: ArraySlice<Unicode.Scalar>) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    let rest = pattern.dropFirst()
    switch first {
    case "*": return globMatches(rest, text) || (!text.isEmpty && globMatches(pattern, text.dropFirst()))
    case "?": return !text.isEmpty && globMatches(rest, text.dropFirst())
    case "\\" where !rest.isEmpty: return text.first == rest.first && globMatches(rest.dropFirst(), text.dropFirst())
    case "[":
        guard let end = rest.dropFirst(rest.first == "!" || rest.first == "^" ? 2 : 1).firstIndex(of: "]") else {
            return text.first == first && globMatches(rest, text.dropFirst())
        }
        guard let character = text.first else { return false }
        let isNegated = rest.first == "!" || rest.first == "^"
        var set = rest[..<end].dropFirst(isNegated ? 1 : 0)
        var isMember = false
        while let low = set.popFirst() {
            var high = low
            if set.count >= 2, set.first == "-" {
                set = set.dropFirst()
                high = set.removeFirst()
            }
            if low <= character, character <= high { isMember = true }
        }
        return isMember != isNegated && globMatches(pattern[(end + 1)...], text.dropFirst())
    default: return text.first == first && globMatches(rest, text.dropFirst())
    }
}

/// What `icecore du PREFIX -d DEPTH` prints of a view: for each folder the sum of all that begins with it, a folder
/// behind those in it, and the sum of all last.
public func duLines(_ view: ShownVersions, _ prefix: ByteString, depth: Int?) -> [DuLine] {
    let versions = view.values.filter { $0.key.hasPrefix(prefix) }
    var folders: Set<ByteString> = []
    for version in versions {
        let slashes = version.key.bytes.indices.filter {
            version.key.bytes[$0] == UInt8(ascii: "/") && $0 >= prefix.count
        }
        for slash in slashes.prefix(depth ?? .max) { folders.insert(ByteString(Array(version.key.bytes[...slash]))) }
    }
    let lines = folders.map { folder in
        let below = versions.filter { $0.key.hasPrefix(folder) }
        return DuLine(prefix: folder, keys: Int64(below.count), bytes: below.reduce(0) { $0 + $1.size })
    }
    // A folder comes behind everything that begins with it; otherwise in byte order.
    let sorted = lines.sorted { left, right in
        if left.prefix.hasPrefix(right.prefix) { return left.prefix != right.prefix }
        return !right.prefix.hasPrefix(left.prefix) && left.prefix < right.prefix
    }
    return sorted + [DuLine(prefix: prefix, keys: Int64(versions.count), bytes: versions.reduce(0) { $0 + $1.size })]
}

extension History {
    /// What `icecore find --ever` prints, and with `--deleted`: of what the latest view shows, the version there; of all
    /// else, the version that was current last, and until when.
    public func findEver(_ question: FindQuestion, isDeletedOnly: Bool) -> [FindLine] {
        let latest = inventories.last.flatMap { snapshotView($0.name) } ?? [:]
        return keys.compactMap { key in
            let line: FindLine
            if let version = latest[key] {
                line = FindLine(version: version, isDeleted: false)
            } else {
                guard let history = history(of: key), let last = history.lastObject else { return nil }
                line = FindLine(version: last.version, isDeleted: true, deletedAt: last.end)
            }
            return question.accepts(line.version) && (line.isDeleted == true || !isDeletedOnly) ? line : nil
        }
    }

    /// What `icecore find` prints of a view.
    public static func find(_ question: FindQuestion, in view: ShownVersions) -> [FindLine] {
        view.values.filter { question.accepts($0) }.sorted { $0.key < $1.key }.map { FindLine(version: $0) }
    }
}

extension KeyHistory {
    /// The object that was current last, and until when; nil for one that still is, or never was.
    var lastObject: (version: Version, end: Timestamp?)? {
        let changes = self.changes.sorted()
        for (place, change) in changes.enumerated().reversed() {
            guard let version = current(at: change) else { continue }
            let end = place + 1 < changes.count ? changes[place + 1] : .distantFuture
            return (version, end == .distantFuture ? nil : end)
        }
        let never = versions.filter { !$0.isMarker }.max { left, right in
            left.lastModified != right.lastModified
                ? left.lastModified < right.lastModified : (left.id.bytes ?? "") < (right.id.bytes ?? "")
        }
        return never.map { ($0, nil) }
    }
}

extension DuLine: CustomStringConvertible {
    public var description: String { "\(prefix): \(keys) keys, \(bytes) bytes" }

    /// The lines that `icecore du --json` printed.
    public static func parse(_ output: [UInt8]) throws -> [DuLine] {
        try OutputRecord.all(output).map { line in
            DuLine(
                prefix: try line.string("prefix"), keys: try line.number("keys"), bytes: try line.number("bytes"))
        }
    }
}

extension FindLine: CustomStringConvertible {
    public var description: String {
        "\(version)" + (isDeleted == true ? ", deleted \(deletedAt?.rfc3339 ?? "at some time")" : "")
    }

    /// The lines that `icecore find --json` printed.
    public static func parse(_ output: [UInt8]) throws -> [FindLine] {
        try OutputRecord.all(output).map { line in
            let version = Version(
                key: try line.string("key"), id: try line.versionID("versionId"),
                lastModified: try line.time("lastModified"), etag: try line.string("etag"),
                size: try line.number("size"))
            guard line.has("deleted") else { return FindLine(version: version) }
            let isDated = try !line.stringIfAny("deletedAt").isEmpty
            return FindLine(
                version: version, isDeleted: try line.bool("deleted"),
                deletedAt: isDated ? try line.time("deletedAt") : nil)
        }
    }
}
