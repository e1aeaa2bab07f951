/// What becomes of a file that holds a wanted content.
public enum AdoptLink: String, CaseIterable, Sendable {
    /// A clone where the file system can, else a copy.
    case reflink
    /// The same file under a second name, where that is possible; it becomes read-only. Else as ``reflink``.
    case hard
    case copy
    /// The file leaves the tree once its content is durable in the store.
    case move
}

/// What to take, and how.
public struct AdoptOptions: Sendable {
    /// The tree that another tool has made.
    public var directory: String
    /// What the keys begin with that the tree's paths are the rest of.
    public var prefix: [UInt8] = []
    public var link = AdoptLink.reflink
    /// Everything is read and compared, and nothing is taken.
    public var isDryRun = false

    public init(directory: String) {
        self.directory = directory
    }
}
