/// What an export did, or would do in the case of a dry run.
public struct ExportOutcome: Sendable {
    public var files = 0
    public var bytes: Int64 = 0
    /// Of those, files that were already there.
    public var skipped = 0
    public var linked = 0
    public var cloned = 0
    public var copied = 0
    /// Files whose content is not to be had from the store.
    public var missing = 0
    /// Files that the target cannot have.
    public var leftOut = 0
    /// Files that an earlier export wrote and the view does not show, removed.
    public var deleted = 0

    public init() {}
}
