import Basics
import GRDBSQLite
import Glibc
import Model
import SQLite

/// Looks for damage in an index: what SQLite can see of its pages, then what the rows say of each other and of themselves.
///
/// A page that somebody else wrote can be a good page to SQLite: the sum of the rows' digests tells.
public final class IndexCheck {
    /// What is wrong, in sentences without a subject; the first hundred.
    public private(set) var problems: [String] = []
    /// How many rows `entry` has, as far as it could be read.
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

    /// Checks a copy that ``IndexCopy`` has made, which has no write-ahead log: the first problem, a sentence without a
    /// subject; nil: it is sound.
    public static func firstProblem(copy path: String) throws -> String? {
        let check = IndexCheck(copy: path)
        try check.run()
        return check.problems.first
    }

    /// Checks everything.
    ///
    /// - Throws: `interrupted`, and what is wrong with the machine rather than with the index.
    public func run() throws {
        do {
            guard let size = Files.size(path) else {
                return problems.append(
                    Files.exists(path) ? "is no regular file" : "is missing")
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
        } catch let error as IcecoreError {
            try Interruption.check()
            guard error.code == .damaged || error.code == .system else { throw error }
            // SQLite calls a page that cannot be read, or a schema that makes no sense, by other names than damage.
            if error.errno != 0, error.errno != EIO { throw error }
            add(error.message)
        }
        if omitted > 0 { problems.append("and \(omitted) problems more") }
    }

    private func add(_ problem: String) {
        if problems.count < IndexCheck.mostProblems { problems.append(problem) } else { omitted += 1 }
    }

    /// Bytes that SQLite believes without being able to check them.
    private func checkHeader(_ size: Int64) throws {
        let file = try File(path, O_RDONLY)
        var header = [UInt8](repeating: 0, count: 100)
        guard size >= 512 else { return add("is cut: it has \(size) bytes") }
        try header.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        guard header.starts(with: "SQLite format 3\0".utf8) else { return add("does not begin as an SQLite file does") }
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
            add("has \(size) bytes, and should have \(number(28)) pages of \(real)")
        }
    }

    /// Views and triggers would do what no reader or writer expects.
    private func checkSchema(_ connection: Connection) throws {
        for kind in try IndexCheck.foreignKinds(connection) { add("has a \(kind) that icecore does not write") }
    }

    /// Refuses a copy of an index from somewhere else if it does something of its own when it is read or written.
    public static func refuseForeignSchema(copy path: String) throws {
        let connection = try Connection(path, readOnly: true)
        guard let kind = try foreignKinds(connection).first else { return }
        throw IcecoreError(
            .damaged, "the index in the replica is damaged: it has a \(kind) that icecore does not write")
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
                add("has a snapshot of the impossible number \(point.id)")
                continue
            }
            points.append(point)
            sums[point.id] = (point.name, statement.integer(3), statement.integer(4))
        }
        timeline = Timeline(points)
        views = timeline.points.map { sums[$0.id] ?? ("", 0, 0) }
        if let stored = try connection.storedSum(RowDigest.snapshots), try stored != connection.sumOfSnapshots() {
            add("has a list of snapshots that icecore has not written")
        }
    }

    // MARK: - Entries

    private func checkEntries(_ connection: Connection) throws {
        let statement = try connection.prepare(
            "SELECT \(EntryRow.columnsAndDirectory) FROM entry ORDER BY directory, name, slot")
        let lookup = try connection.prepare("SELECT parent, name, slots FROM directory WHERE id = ?1")
        // Where a view begins to show rows, and where it ends: keys and bytes by rank.
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
            if lookup.integer(2) < largestSlot { add("gives slots of the directory \(directory) twice") }
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
                    try checkDirectory(row, in: place, lookup)
                } else if row.child != child {
                    add("gives the directory \(place) two children of one name")
                }
                continue
            }
            if !row.isMarker, row.etagValue == nil || row.size < 0 {
                add("has a version without a content in the directory \(place)")
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
            add("has rows that icecore has not written")
        }
        compareViews(keys, bytes)
    }

    private func checkDirectory(_ row: EntryRow, in directory: Int64, _ lookup: Statement) throws {
        let (child, isRoot) = (row.child, directory == 0)
        if isRoot {
            if child != IndexReader.root { add("has lost its root") }
            return
        }
        lookup.bind(1, child)
        defer { lookup.reset() }
        guard try lookup.step() else { return add("names the directory \(child), which does not exist") }
        if child <= directory || lookup.integer(0) != directory || !lookup.bytes(1).isEqual(to: row.name) {
            add("has the directory \(child) in two places")
        }
    }

    private func compareViews(_ keys: [Int64], _ bytes: [Int64]) {
        var (keyCount, byteCount): (Int64, Int64) = (0, 0)
        for (place, view) in views.enumerated() {
            keyCount += keys[place]
            byteCount &+= bytes[place]
            // Of what a prune has dropped, only what others need is left.
            if timeline.points[place].isPruned { continue }
            if keyCount != view.keys {
                add("shows \(keyCount) keys in the snapshot \(view.name), whose inventory listed \(view.keys)")
            } else if byteCount != view.bytes, view.bytes != .max {
                add("shows \(byteCount) bytes in the snapshot \(view.name), whose inventory listed \(view.bytes)")
            }
        }
    }

    private func checkLongNames(_ connection: Connection) throws {
        let statement = try connection.prepare("SELECT sha256, name FROM longName")
        while try statement.step() {
            if SHA256.digest(Array(statement.bytes(1))) != Array(statement.bytes(0)) {
                add("has a long name under the digest of another")
            }
        }
    }
}
