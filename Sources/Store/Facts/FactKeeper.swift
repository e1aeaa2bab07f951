import Basics
import Blobs
import Index
import Model
import SQLite

/// Keeps the table `blob` of a store's index beside the blobs as well, in `blobs.facts`, so that what it says survives a
/// lost index.
///
/// The table comes first: at any moment, a fact is in the table, or in both, and a blob gets its name after that. What is
/// in the file alone is dead (a prune has forgotten it) unless its blob is there: then the index has lost it.
public struct FactKeeper: Sendable {
    private let store: Store
    private let file: FactFile

    public init(_ store: Store) {
        self.store = store
        file = FactFile(path: "\(store.path)/\(StoreLayout.blobFacts)")
    }

    /// Makes the file from the table, where an earlier program has made the store. A store without facts has no file.
    ///
    /// - Returns: whether this made it.
    @discardableResult
    public func fill() throws -> Bool {
        if file.exists { return false }
        let connection = try Connection(store.indexPath, readOnly: true)
        guard try connection.hasFacts() else { return false }
        return try file.create { add in try connection.forEachFact(add) }
    }

    /// Adds facts, durably, that are in the table.
    public func add(_ facts: [BlobFact]) throws {
        if facts.isEmpty { return }
        for _ in 0..<3 {
            if try fill() || file.append(facts) { return }
        }
        throw IcecoreError(.busy, "others keep removing '\(file.path)'")
    }

    /// Passes the facts whose blobs are there to `body`.
    ///
    /// - Returns: false if there is no file.
    public func read(_ body: (BlobFact) throws -> Void) throws -> Bool {
        try file.read { fact in if try isNeeded(fact) { try body(fact) } } != nil
    }

    private func isNeeded(_ fact: BlobFact) throws -> Bool {
        guard let name = fact.blobName.flatMap({ BlobName($0) }) else { return false }
        return try store.blobs.has(name)
    }

    /// Writes the file anew, without what is dead.
    ///
    /// - Parameter index: the path of the index that has the facts; nil: the store's own.
    public func rewrite(from index: String? = nil) throws {
        let connection = try Connection(index ?? store.indexPath, readOnly: true)
        if try !file.exists && !connection.hasFacts() { return }
        let facts = try BlobFacts(connection)
        try file.replace { add in
            try connection.forEachFact(add)
            try file.read { fact in
                guard try isNeeded(fact) else { return }
                if try facts.find(etag: fact.etag, size: fact.size) == (nil, nil) { try add(fact) }
            }
        }
    }

    /// Writes the file anew if more than half of it is dead.
    public func compact() throws {
        let connection = try Connection(store.indexPath, readOnly: true)
        guard let summary = try file.read({ _ in }) else { return }
        if try summary.facts > 2 * connection.factCount() { try rewrite() }
    }

    // MARK: - Checking

    /// Whether something that is not a file has the file's name.
    public var isObstructed: Bool { file.exists && Files.size(file.path) == nil }

    /// Compares the file with the table, and mends the file.
    ///
    /// - Returns: how many lines were damaged.
    public func mend() throws -> Int64 {
        try fill()
        guard file.exists else { return 0 }
        let held = try HeldFacts(directory: store.temporaryPath)
        guard let summary = try file.read({ try held.add($0) }) else { return 0 }
        if summary.damaged > 0 || summary.isTorn {
            try rewrite()
            return summary.damaged
        }
        let connection = try Connection(store.indexPath, readOnly: true)
        var lacking: [BlobFact] = []
        var live: Int64 = 0
        try connection.forEachFact { fact in
            if try held.remove(fact) {
                live += 1
                return
            }
            lacking.append(fact)
            if lacking.count >= 1024 {
                try add(lacking)
                lacking = []
            }
        }
        try add(lacking)
        try held.forEach { if try isNeeded($0) { live += 1 } }
        if summary.facts > 2 * live { try rewrite() }
        return 0
    }
}
