import Basics
import GRDBSQLite
import Glibc
import Model
import SQLite

/// Looks for damage in an index: first in its pages, as SQLite sees them, then in the rows and between them.
///
/// A page from another writer can look valid to SQLite: the sum of the rows' digests reveals it.
public final class IndexCheck {
    /// The first hundred problems, as sentences without a subject.
    public private(set) var problems: [String] = []
    /// The number of rows of `entry` that could be read.
    public private(set) var rows: Int64 = 0

    private let path: String
    private var omitted = 0
    private static let mostProblems = 100

    private let isCopy: Bool

    public init(indexPath: String) {
        path = indexPath
        isCopy = false
    }

    private init(copy path: String) {
        self.path = path
        isCopy = true
    }

    /// Checks a copy made by ``IndexCopy``, which has no write-ahead log. Returns the first problem, as a sentence
    /// without a subject; nil if the copy is sound.
    public static func firstProblem(copy path: String) throws -> String? {
        let check = IndexCheck(copy: path)
        try check.run()
        return check.problems.first
    }

    /// Checks everything.
    ///
    /// - Throws: `interrupted`, and errors of the machine rather than of the index.
    public func run() throws {
        do {
            guard let size = Files.size(path) else {
                return problems.append(
                    Files.exists(path) ? "is not a regular file" : "is missing")
            }
            try checkHeader(size)
            let connection = try Connection(path, readOnly: true)
            try connection.execute("PRAGMA query_only = 1; PRAGMA cell_size_check = 1; PRAGMA cache_size = -32768")
            sqlite3_progress_handler(connection.handle, 100_000, { _ in Interruption.isRequested ? 1 : 0 }, nil)
            try connection.execute("BEGIN")
            try checkSchema(connection)
            try checkPages(connection)
            try checkSnapshots(connection)
            try checkEntries(connection)
            try checkLongNames(connection)
            try checkParts(connection)
            try checkHeaders(connection)
        } catch let error as IcecoreError {
            try Interruption.check()
            guard error.code == .damaged || error.code == .system else { throw error }
            // For an unreadable page or a senseless schema, SQLite reports other errors than damage.
            if error.errno != 0, error.errno != EIO { throw error }
            add(error.message)
        }
        if omitted > 0 { problems.append("and \(omitted) more problems") }
    }

    private func add(_ problem: String) {
        if problems.count < IndexCheck.mostProblems { problems.append(problem) } else { omitted += 1 }
    }

    /// Checks bytes that SQLite trusts without being able to check them.
    private func checkHeader(_ size: Int64) throws {
        let file = try File(path, O_RDONLY)
        var header = [UInt8](repeating: 0, count: 100)
        guard size >= 512 else { return add("is truncated: it has \(size.of("byte"))") }
        try header.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        guard header.starts(with: "SQLite format 3\0".utf8) else { return add("is not an SQLite file") }
        func number(_ offset: Int) -> UInt32 {
            header[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let pageSize = Int64(header[16]) << 8 | Int64(header[17])
        let expected: [(Int, UInt32)] = [(44, 4), (52, 0), (56, 1), (60, 0), (64, 0), (68, 0), (72, 0), (76, 0)]
        let isAsWritten =
            header[18] == (isCopy ? 1 : 2) && header[19] == header[18] && header[20] == 0
            && Array(header[21..<24]) == [64, 32, 32]
            && expected.allSatisfy { number($0.0) == $0.1 } && header[72..<92].allSatisfy { $0 == 0 }
        if !isAsWritten { add("has a header that icecore does not write") }
        // While the write-ahead log holds pages, the file may be shorter or longer than its header says.
        let isAlone = (Files.size("\(path)-wal") ?? 0) == 0
        let real = pageSize == 1 ? 65536 : pageSize
        if isAlone, real < 512 || size != Int64(number(28)) * real {
            add("has \(size.of("byte")) instead of \(number(28)) pages of \(real)")
        }
    }

    /// Refuses views and triggers: no reader or writer expects what they do.
    private func checkSchema(_ connection: Connection) throws {
        for kind in try IndexCheck.foreignKinds(connection) { add("has a \(kind) that icecore does not write") }
    }

    /// Refuses a copy of a foreign index that would run code of its own when read or written, or whose directories are
    /// not a tree: a walk over it would have no end.
    public static func refuseForeign(copy path: String) throws {
        let connection = try Connection(path, readOnly: true)
        func refuse(_ problem: String) throws -> Never {
            throw IcecoreError(.damaged, "the index in the replica is damaged: it \(problem)")
        }
        if let kind = try foreignKinds(connection).first { try refuse("has a \(kind) that icecore does not write") }
        let rows = try connection.prepare("SELECT directory, child, name FROM entry WHERE child IS NOT NULL")
        let lookup = try connection.prepare("SELECT parent, name FROM directory WHERE id = ?1")
        var last: (directory: Int64, child: Int64) = (0, 0)
        var count = 0
        while try rows.step() {
            count += 1
            if count & 0xFFFF == 0 { try Interruption.check() }
            let (directory, child) = (rows.integer(0), rows.integer(1))
            // The rows of one directory follow each other.
            if last == (directory, child) { continue }
            last = (directory, child)
            if let problem = try misplacement(of: child, rows.bytes(2), in: directory, lookup) { try refuse(problem) }
        }
    }

    private static func foreignKinds(_ connection: Connection) throws -> [String] {
        var kinds: [String] = []
        let statement = try connection.prepare(
            "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'")
        while try statement.step(), kinds.count < 10 {
            kinds.append(["view", "trigger"].first { statement.bytes(0).elementsEqual($0.utf8) } ?? "virtual table")
        }
        return kinds
    }

    private func checkPages(_ connection: Connection) throws {
        let check = try connection.prepare("PRAGMA integrity_check(20)")
        while try check.step() {
            let line = String(decoding: check.bytes(0), as: UTF8.self)
            if line != "ok" { add(line.replacing("\n", with: " ")) }
        }
    }

    // MARK: - Snapshots

    private var timeline = Timeline([])
    private var views: [(name: String, keys: Int64, bytes: Int64)] = []

    private func checkSnapshots(_ connection: Connection) throws {
        let prunedAt = try connection.knowsPrunes() ? "prunedAt" : "NULL"
        let statement = try connection.prepare("SELECT id, name, takenAt, keys, bytes, \(prunedAt) FROM snapshot")
        var points: [Timeline.Point] = []
        var sums: [Int64: (String, Int64, Int64)] = [:]
        while try statement.step() {
            let point = Timeline.Point(
                id: statement.integer(0), name: String(decoding: statement.bytes(1), as: UTF8.self),
                takenAt: Timestamp(milliseconds: statement.integer(2)), isPruned: !statement.isNull(5))
            guard (1...Timeline.largestId).contains(point.id) else {
                add("has a snapshot with the invalid number \(point.id)")
                continue
            }
            points.append(point)
            sums[point.id] = (point.name, statement.integer(3), statement.integer(4))
        }
        timeline = Timeline(points)
        views = timeline.points.map { sums[$0.id] ?? ("", 0, 0) }
        if let stored = try connection.storedSum(RowDigest.snapshots), try stored != connection.sumOfSnapshots() {
            add("has a list of snapshots that icecore did not write")
        }
    }

    // MARK: - Entries

    private func checkEntries(_ connection: Connection) throws {
        let columns = try connection.entryColumns(withDirectory: true)
        let statement = try connection.prepare(
            "SELECT \(columns) FROM entry ORDER BY directory, name, slot")
        let lookup = try connection.prepare("SELECT parent, name, slots FROM directory WHERE id = ?1")
        // Differences between successive views' sums: keys and bytes by rank.
        var keys = [Int64](repeating: 0, count: views.count + 1)
        var bytes = keys
        var sum: UInt64 = 0
        var directory: Int64 = -1
        var largestSlot: Int64 = -1
        var name: [UInt8] = []
        var child: Int64 = 0

        func endDirectory() throws {
            guard directory > 0 else { return }
            lookup.bind(1, directory)
            defer { lookup.reset() }
            guard try lookup.step() else { return add("has rows in the directory \(directory), which does not exist") }
            if lookup.integer(2) < largestSlot { add("uses slots of the directory \(directory) twice") }
        }

        while try statement.step() {
            let row = EntryRow(statement)
            let place = statement.integer(EntryRow.directoryColumn)
            rows += 1
            if rows & 0xFFFF == 0 { try Interruption.check() }
            sum &+= RowDigest.of(row, in: place)
            if place != directory {
                try endDirectory()
                (directory, largestSlot, name, child) = (place, -1, [], 0)
            }
            largestSlot = max(largestSlot, row.slot)
            if row.isDirectory {
                let isSame = !name.isEmpty && name.withUnsafeBytes { row.name.isEqual(to: $0) }
                if !isSame {
                    name = Array(row.name)
                    child = row.child
                    if let problem = try IndexCheck.misplacement(of: child, row.name, in: place, lookup) {
                        add(problem)
                    }
                } else if row.child != child {
                    add("has two children of the same name in the directory \(place)")
                }
                continue
            }
            if !row.isMarker, row.etagValue == nil || row.size < 0 {
                add("has a version without content in the directory \(place)")
            }
            guard !row.isMarker, let seen = timeline.interval(row.seenFrom, row.seenTo) else { continue }
            let (from, to) = (Int(seen.from), min(Int(seen.to), views.count))
            guard from < to else {
                add("has an interval without snapshots in the directory \(place)")
                continue
            }
            keys[from] += 1
            keys[to] -= 1
            bytes[from] &+= row.size
            bytes[to] &-= row.size
        }
        try endDirectory()
        if let stored = try connection.storedSum(RowDigest.entries), stored != sum {
            add("has rows that icecore did not write")
        }
        compareViews(keys, bytes)
    }

    /// What is wrong with a row of a directory; nil: nothing. If no row has anything wrong, the directories are a tree.
    ///
    /// - Parameter lookup: of a directory's parent and name, by id.
    private static func misplacement(
        of child: Int64, _ name: UnsafeRawBufferPointer, in directory: Int64, _ lookup: Statement
    ) throws -> String? {
        if directory == 0 { return child == IndexReader.root ? nil : "has lost its root" }
        lookup.bind(1, child)
        defer { lookup.reset() }
        guard try lookup.step() else { return "refers to the directory \(child), which does not exist" }
        let isInPlace =
            child > directory && lookup.integer(0) == directory && lookup.bytes(1).isEqual(to: name)
        return isInPlace ? nil : "has the directory \(child) in two places"
    }

    private func compareViews(_ keys: [Int64], _ bytes: [Int64]) {
        var (keyCount, byteCount): (Int64, Int64) = (0, 0)
        for (place, view) in views.enumerated() {
            keyCount += keys[place]
            byteCount &+= bytes[place]
            // Of a pruned snapshot, only what others need is left.
            if timeline.points[place].isPruned { continue }
            if keyCount != view.keys {
                add("shows \(keyCount.of("key")) in the snapshot \(view.name), whose inventory listed \(view.keys)")
            } else if byteCount != view.bytes, view.bytes != .max {
                add("shows \(byteCount.of("byte")) in the snapshot \(view.name), whose inventory listed \(view.bytes)")
            }
        }
    }

    private func checkLongNames(_ connection: Connection) throws {
        let statement = try connection.prepare("SELECT sha256, name FROM longName")
        while try statement.step() {
            if SHA256.digest(Array(statement.bytes(1))) != Array(statement.bytes(0)) {
                add("has a long name under the wrong digest")
            }
        }
    }

    private func checkHeaders(_ connection: Connection) throws {
        let sets = try connection.prepare("SELECT id, headers FROM headerSet")
        while try sets.step() {
            if ObjectHeaders(json: Array(sets.bytes(1))) == nil { add("has a header set that is no JSON") }
        }
        guard try connection.knowsHeaders() else { return }
        let lost = try connection.prepare(
            """
            SELECT 1 FROM entry WHERE headers IS NOT NULL AND headers NOT IN (SELECT id FROM headerSet) LIMIT 1
            """)
        if try lost.step() { add("has a version whose header set is missing") }
    }

    private func checkParts(_ connection: Connection) throws {
        guard try connection.knowsParts() else { return }
        let statement = try connection.prepare("SELECT etag, size, parts FROM blob WHERE parts IS NOT NULL")
        while try statement.step() {
            let etag = ETag(Array(statement.bytes(0)))
            let recorded = Array(statement.bytes(2))
            if PartLayout(recorded: recorded, size: statement.integer(1), count: etag.parts) == nil {
                add("has parts of an upload that are not those of its content")
            }
        }
    }
}
