/// Where the content of a version stands. docs/SEMANTICS.md says what leads from one state to another.
public enum ContentState: String, CaseIterable, Sendable {
    /// In the store.
    case present
    /// Requested and not in the store: the next sync requests it again.
    case missing
    /// In a storage class that gives nothing out until it has been restored.
    case archived
    /// The source refuses it: for lack of a permission, or because it is encrypted with a key of its owner (SSE-C).
    case refused
    /// The source has lost it for good.
    case gone
    /// A prune has dropped it.
    case pruned
    /// No sync has requested it: only the index was filled, or a filter leaves it out.
    case unrequested
}
