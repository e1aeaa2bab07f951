import Basics
import Glibc
import Index
import SQLite
import Store

/// Compares what a store knows of its object store with a listing of that: names and sizes. Nothing is read.
public struct ObjectStoreCheck {
    /// What was found.
    public struct Outcome: Sendable {
        public var blobs = 0
        public var packs = 0
        public var bytes: Int64 = 0
        public var missing = 0
        public var damaged = 0
        /// Objects below `blobs/` and `packs/` that nothing names: harmless, a killed machine has left them.
        public var foreign = 0
        public var rows: Int64 = 0
    }

    private let store: Store
    private let place: ObjectStore
    private let replica: Replica

    /// - Throws: `usage` for a store that has its contents on its own disk.
    public init(_ store: Store, environment: [String: String]) throws {
        guard let place = store.configuration.objectStore else {
            throw IcecoreError(.usage, "'\(store.path)' has its contents on its own disk: there is nothing to list")
        }
        self.store = store
        self.place = place
        replica = try Replica(ReplicaURL(place.url), place.options(environment))
    }

    /// Checks the index, and what is listed.
    ///
    /// - Parameter report: called with a path, and a sentence without a subject.
    public func run(_ report: (_ path: String, _ reason: String) throws -> Void) throws -> Outcome {
        var outcome = Outcome()
        let index = IndexCheck(store)
        try index.run()
        outcome.rows = index.rows
        for problem in index.problems {
            outcome.damaged += 1
            try report(StoreLayout.index, problem)
        }
        let records = try ReplicaRecords(store, replicaId: place.replicaId)
        // Without a name: nothing is left of it.
        let seen = try Connection("", readOnly: false, isPrivate: true)
        try seen.execute("CREATE TABLE seen (name TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN")
        let insert = try seen.prepare("INSERT OR IGNORE INTO seen VALUES (?)")
        for folder in ["blobs/", "packs/"] {
            try replica.storage.list(folder) { path, size in
                // An object of another size has another name.
                guard let item = ReplicaItem(path: path, size: size), try records.state(of: item.name) != nil else {
                    outcome.foreign += 1
                    return
                }
                try insert.run(texts: [(1, item.name)]) { try insert.run() }
            }
        }
        let select = try seen.prepare("SELECT 1 FROM seen WHERE name = ?")
        try records.forEachBlob { name, state in
            try Interruption.check()
            guard state != .unconfirmed, let item = ReplicaItem(name), !item.isInventoryFile else { return }
            if item.pack == nil { outcome.blobs += 1 } else { outcome.packs += 1 }
            outcome.bytes = outcome.bytes.addingClamped(item.size)
            var isThere = false
            try select.run(texts: [(1, name)]) {
                isThere = try select.step()
                select.reset()
            }
            if isThere { return }
            outcome.missing += 1
            try report(item.path, "is missing in the object store, or has another size than \(item.size.of("byte"))")
        }
        return outcome
    }
}
