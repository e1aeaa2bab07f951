/// What a reindex did.
public struct ReindexOutcome: Sendable {
    /// Snapshots in the new index, oldest first.
    public var rebuilt: [String] = []
    /// Snapshots of the old index whose inventories no longer exist anywhere.
    public var lost: [String] = []
    /// Kept inventories that are damaged, and why.
    public var damaged: [(name: String, reason: String)] = []
    /// The path of the old index; nil if there was none.
    public var oldIndex: String?
}
