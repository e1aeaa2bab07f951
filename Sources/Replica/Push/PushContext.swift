import Store

/// What the steps of a push share.
struct PushContext {
    struct Options {
        /// Whether `latest.json` is replaced by a conditional write.
        var isConditional: Bool
        /// Whether to look for what the replica's documents name, and to send again what is missing.
        var isChecking: Bool
        /// Whether the replica may lose knowledge of contents.
        var acceptsMissing: Bool
        /// Milliseconds between marking a file and deleting it; nil: nothing is marked or deleted.
        var pruneGrace: Int64?
    }

    let store: Store
    let replica: Replica
    /// As the replica's marker has it.
    let replicaId: String
    let records: ReplicaRecords
    let options: Options
    /// Called with remarks for people.
    let note: (String) -> Void
    let progress: (PushProgress) -> Void

    /// Whether the replica is where the store has its contents: nothing is sent but what describes them.
    var isOwnPlace: Bool { store.configuration.objectStore?.replicaId == replicaId }
}
