/// Receives what a sync reports; all calls come from the thread that syncs.
public protocol SyncReporter {
    /// How far the sync is; called often.
    func progress(_ progress: SyncProgress)
    /// A remark worth a line.
    func note(_ text: String)
    /// Something that may be wrong.
    func warning(_ text: String)
}
