import Basics
import Model
import SQLite

/// Versions whose contents are in the same state.
public struct StateCount: Sendable, Equatable {
    public var versions: Int64 = 0
    /// Each version on its own.
    public var bytes: Int64 = 0

    public init() {}

    /// Counts one version.
    public mutating func add(_ size: Int64) {
        versions += 1
        bytes = bytes.addingClamped(size)
    }

    /// Adds other versions.
    public mutating func add(_ others: StateCount) {
        versions += others.versions
        bytes = bytes.addingClamped(others.bytes)
    }
}

extension IndexReader {
    /// The versions whose contents are not in the store, by state. Reads only the rows of such versions; what no sync has
    /// requested is not counted.
    public func absentContents() throws -> [ContentState: StateCount] {
        var counts: [ContentState: StateCount] = [:]
        try forEachVersion("\(EntryRow.Flags.isAbsent)") { _, row in
            let state = row.flags.state
            if state != .missing { counts[state, default: StateCount()].add(row.size) }
        }
        try forEachVersion("\(EntryRow.Flags.isWithoutBlob)") { _, row in
            if row.flags.state == .missing { counts[.missing, default: StateCount()].add(row.size) }
        }
        return counts
    }

    /// Passes each version whose content is in a state to `body`, with its key; in the order of directories.
    public func versions(in state: ContentState, _ body: ([UInt8], EntryRow) throws -> Void) throws {
        let condition = state == .missing ? EntryRow.Flags.isWithoutBlob : EntryRow.Flags.isAbsent
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        try forEachVersion(condition) { directory, row in
            guard row.flags.state == state else { return }
            if prefix.directory != directory { prefix = (directory, try self.prefix(of: directory) ?? []) }
            try body(prefix.bytes + Array(row.name), row)
        }
    }

    /// Passes the first row of each version that has some, with its directory.
    private func forEachVersion(_ condition: String, _ body: (Int64, EntryRow) throws -> Void) throws {
        let columns = try connection.entryColumns(withDirectory: true)
        let statement = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE \(condition) AND child IS NULL AND "
                + EntryRow.Flags.condition(none: .marker))
        // A version can have several rows, which are among those of its key.
        var last: (directory: Int64, name: [UInt8]) = (0, [])
        var seen: Set<VersionIdentity> = []
        var first: VersionIdentity?
        while try statement.step() {
            try Interruption.check()
            let row = EntryRow(statement)
            let directory = statement.integer(EntryRow.directoryColumn)
            if last.directory == directory, last.name.withUnsafeBytes({ row.name.isEqual(to: $0) }) {
                if let identity = first {
                    seen = [identity]
                    first = nil
                }
                guard seen.insert(row.identity).inserted else { continue }
            } else {
                last = (directory, Array(row.name))
                first = row.identity
                seen.removeAll(keepingCapacity: true)
            }
            try body(directory, row)
        }
    }

    /// How many objects could not be fetched, by reason, the most frequent first.
    ///
    /// - Parameter limit: how many reasons.
    /// - Returns: the reasons, and how many there are besides.
    public func failureReasons(limit: Int) throws -> (reasons: [(text: String, count: StateCount)], others: Int) {
        let statement = try connection.prepare(
            "SELECT reason, count(*), sum(size) FROM failure GROUP BY reason ORDER BY count(*) DESC, reason")
        var reasons: [(text: String, count: StateCount)] = []
        var others = 0
        while try statement.step() {
            if reasons.count == limit {
                others += 1
                continue
            }
            var count = StateCount()
            count.versions = statement.integer(1)
            count.bytes = statement.integer(2)
            reasons.append((String(decoding: statement.bytes(0), as: UTF8.self), count))
        }
        return (reasons, others)
    }
}
