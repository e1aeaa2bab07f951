import Basics
import Model
import SQLite

/// Writes headers as they are learnt, in the transactions of ``BlobRecords``.
final class HeaderRecords {
    private let connection: Connection
    private let destination: HeaderDestination
    private let selectSet: Statement
    private let insertSet: Statement
    private var arrived: ArrivedHeaders?
    private var update: Statement?
    private var child: Statement?
    /// The ids of the sets that came last. Most buckets have a handful.
    private var known: [ObjectHeaders: Int64] = [:]
    private static let mostKnown = 4096

    init(_ connection: Connection, _ destination: HeaderDestination) throws {
        self.connection = connection
        // A mount does not change the format of an index.
        self.destination = try connection.knowsHeaders() ? destination : .nowhere
        selectSet = try connection.prepare("SELECT id FROM headerSet WHERE headers = ?")
        insertSet = try connection.prepare("INSERT INTO headerSet (headers) VALUES (?) RETURNING id")
    }

    var isNeeded: Bool {
        if case .nowhere = destination { false } else { true }
    }

    func commit() throws {
        try arrived?.commit()
    }

    func add(_ headers: ObjectHeaders, isComplete: Bool, of want: FetchRequest) throws {
        let set = headers.isPlain ? 0 : try set(of: headers)
        let etag = want.etag.bytesOfRow
        switch destination {
        case .nowhere: break
        case .rows: try write(set, isComplete, want, etag)
        case .arrived(let directory):
            let arrived = try self.arrived ?? ArrivedHeaders(directory: directory)
            self.arrived = arrived
            try want.key.withUnsafeBytes { key in
                try (want.versionId ?? []).withUnsafeBytes { versionId in
                    try etag.withUnsafeBytes { etag in
                        try arrived.add(
                            key: key, versionId: versionId, etag: etag,
                            ArrivedHeaders.Learnt(set: set, isComplete: isComplete))
                    }
                }
            }
        }
    }

    private func set(of headers: ObjectHeaders) throws -> Int64 {
        if let id = known[headers] { return id }
        let json = headers.json
        var id: Int64?
        try selectSet.run(texts: [(1, json)]) {
            if try selectSet.step() { id = selectSet.integer(0) }
            selectSet.reset()
        }
        if id == nil {
            try insertSet.run(texts: [(1, json)]) {
                if try insertSet.step() { id = insertSet.integer(0) }
                insertSet.reset()
            }
        }
        guard let id else { throw IcecoreError(.damaged, "'\(connection.path)' gives a header set no number") }
        if known.count >= HeaderRecords.mostKnown { known.removeAll(keepingCapacity: true) }
        known[headers] = id
        return id
    }

    /// Writes the set into all rows of a version.
    private func write(_ set: Int64, _ isComplete: Bool, _ want: FetchRequest, _ etag: [UInt8]) throws {
        let (prefix, name) = Key.split(want.key)
        guard let directory = try directory(prefix) else { return }
        let statement =
            try update
            ?? connection.prepare(
                """
                UPDATE entry SET headers = ?4, flags = (flags & ~\(EntryRow.Flags.headersKnown.rawValue)) | ?5
                WHERE directory = ?1 AND name = ?2 AND coalesce(versionId, '') = ?3 AND CAST(etag AS BLOB) = ?6
                """)
        update = statement
        try name.withUnsafeBytes { name in
            try (want.versionId ?? []).withUnsafeBytes { versionId in
                try etag.withUnsafeBytes { etag in
                    statement.bind(1, directory)
                    statement.bind(text: name, 2)
                    statement.bind(text: versionId, 3)
                    statement.bind(4, set, nullIf: 0)
                    statement.bind(5, isComplete ? EntryRow.Flags.headersKnown.rawValue : 0)
                    statement.bind(blob: etag, 6)
                    try statement.run()
                }
            }
        }
    }

    /// The directory of a prefix; nil if the index has none.
    private func directory(_ prefix: some Sequence<UInt8>) throws -> Int64? {
        let statement =
            try child ?? connection.prepare("SELECT child FROM entry WHERE directory = ?1 AND name = ?2 LIMIT 1")
        child = statement
        var directory = IndexReader.root
        var component: [UInt8] = []
        for byte in prefix {
            component.append(byte)
            guard byte == UInt8(ascii: "/") else { continue }
            let found: Int64 = try component.withUnsafeBytes { name in
                statement.bind(1, directory)
                statement.bind(text: name, 2)
                defer { statement.reset() }
                return try statement.step() ? statement.integer(0) : 0
            }
            guard found > directory else { return nil }
            directory = found
            component.removeAll(keepingCapacity: true)
        }
        return directory
    }
}
