/// Where a sync says what it does; all calls come from the thread that syncs.
public protocol SyncReporter {
    /// How far it is; called often.
    func progress(_ progress: SyncProgress)
    /// Something worth a line.
    func note(_ text: String)
    /// Something that may be wrong.
    func warning(_ text: String)
}
