/// How an exported file gets its content.
public enum LinkKind: String, Sendable, CaseIterable {
    /// A clone where the file system can, else a copy.
    case auto
    /// A hard link to the blob, where possible.
    case hard
    /// A clone, or an error.
    case reflink
    case copy
}
