import Basics
import Index
import Model

extension IndexReader {
    /// Searches for keys, in one scan and in their byte order.
    ///
    /// - Parameter body: returns false to stop.
    /// - Returns: false if the time was over before everything was looked at.
    @discardableResult
    public func find(
        _ query: KeyQuery, limit: ScanLimit = .none, _ body: (FoundKey) throws -> Bool
    ) throws -> Bool {
        guard let start = query.start else { return true }
        return try withoutActuallyEscaping(body) { body in
            switch query.scope {
            case .view(let view):
                var search = ViewSearch(query, view, timeline, body)
                return try RowScan.run(self, prefix: start, limit: limit, isBrief: query.isBrief, &search)
            case .ever, .deleted:
                guard let newest = timeline.newest else { return true }
                let isDeletedOnly = if case .deleted = query.scope { true } else { false }
                var search = EverySearch(
                    query, View(snapshot: newest, timeline: timeline), timeline, isDeletedOnly: isDeletedOnly, body)
                return try RowScan.run(self, prefix: start, limit: limit, &search)
            }
        }
    }
}

/// Compares names, or whole keys, with a pattern.
private struct KeyMatcher {
    let glob: Glob
    /// The last key, in memory that is used again.
    private var key: [UInt8] = []

    init(_ glob: Glob) {
        self.glob = glob
    }

    @inline(__always)
    mutating func matches(_ name: UnsafeRawBufferPointer, in path: [UInt8]) -> Bool {
        guard glob.matchesWholeKeys else { return glob.matches(name) }
        key.removeAll(keepingCapacity: true)
        key.append(contentsOf: path)
        key.append(contentsOf: name)
        return key.withUnsafeBytes { glob.matches($0) }
    }
}

/// A search in what one view shows.
private struct ViewSearch: RowVisitor {
    let query: KeyQuery
    let view: View
    let timeline: Timeline
    let body: (FoundKey) throws -> Bool
    var matcher: KeyMatcher

    init(_ query: KeyQuery, _ view: View, _ timeline: Timeline, _ body: @escaping (FoundKey) throws -> Bool) {
        self.query = query
        self.view = view
        self.timeline = timeline
        self.body = body
        matcher = KeyMatcher(query.glob)
    }

    @inline(__always)
    mutating func enters(_ row: borrowing EntryRow) -> Bool { view.shows(row, timeline) }

    @inline(__always)
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) throws -> Bool {
        guard view.shows(row, timeline), query.accepts(size: row.size, lastModified: row.lastModified),
            matcher.matches(row.name, in: path)
        else { return true }
        return try body(
            FoundKey(key: path + Array(row.name), identity: row.identity, flags: row.flags, isDeleted: false))
    }
}

/// A search in all that was ever an object.
private struct EverySearch: RowVisitor {
    let query: KeyQuery
    let newest: View
    let timeline: Timeline
    let isDeletedOnly: Bool
    let body: (FoundKey) throws -> Bool
    var matcher: KeyMatcher
    /// The name whose rows are being read, whether it is as the pattern says, and where it is.
    private var name: [UInt8] = []
    private var path: [UInt8] = []
    private var isWanted = false
    private var isNamed = false
    private var last = LastTenure()

    init(
        _ query: KeyQuery, _ newest: View, _ timeline: Timeline, isDeletedOnly: Bool,
        _ body: @escaping (FoundKey) throws -> Bool
    ) {
        self.query = query
        self.newest = newest
        self.timeline = timeline
        self.isDeletedOnly = isDeletedOnly
        self.body = body
        matcher = KeyMatcher(query.glob)
    }

    mutating func enters(_ row: borrowing EntryRow) -> Bool { true }

    @inline(__always)
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) throws -> Bool {
        let rowName = row.name
        if !isNamed || !name.withUnsafeBytes({ rowName.isEqual(to: $0) }) {
            if try !take() { return false }
            isNamed = true
            isWanted = matcher.matches(row.name, in: path)
            name.removeAll(keepingCapacity: true)
            name.append(contentsOf: row.name)
            if isWanted { self.path = path }
        }
        if isWanted { last.add(row, isShown: newest.shows(row, timeline)) }
        return true
    }

    // A name in the directory may be the one that is waiting.
    mutating func begin() throws -> Bool { try take() }

    mutating func end(_ path: [UInt8], depth: Int) throws -> Bool { try take() }

    /// Passes on what was gathered of the name.
    private mutating func take() throws -> Bool {
        guard isNamed, isWanted else {
            isNamed = false
            return true
        }
        isNamed = false
        defer { last = LastTenure() }
        guard let found = last.found(key: path + name), found.isDeleted || !isDeletedOnly,
            query.accepts(size: found.identity.size, lastModified: found.identity.lastModified)
        else { return true }
        return try body(found)
    }
}
