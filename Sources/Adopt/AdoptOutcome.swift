/// What an adoption has found and done.
public struct AdoptOutcome: Sendable {
    /// Files of the tree, and what else is in it under a name, but for directories. Each counts once below, too.
    public var files = 0
    /// Contents that the index knows and the store lacked.
    public var wanted = 0
    /// Contents taken: the store has them now.
    public var adopted = 0
    public var adoptedBytes: Int64 = 0
    /// Files whose content the store had, or that are the second to have it.
    public var alreadyThere = 0
    /// Files under a wanted key whose bytes are no wanted content.
    public var wrong = 0
    /// Files that could not be read, or were changed meanwhile.
    public var unreadable = 0
    /// What fits nothing.
    public var foreign = 0
    /// Contents that the store still lacks.
    public var stillWanted = 0
    public var stillWantedBytes: Int64 = 0
    /// Wanted contents that nothing can vouch for: their ETag is no digest, and their SHA-256 is not known.
    public var unverifiable = 0

    /// How the contents were taken.
    public var cloned = 0
    public var linked = 0
    public var moved = 0
    /// Files that should have left the tree and are still there, because others have changed it.
    public var left = 0
    /// Bytes that were read, more than once where several part sizes were tried.
    public var bytesRead: Int64 = 0
}

/// What is said of single files.
public enum AdoptFinding: String, Sendable {
    case wrong, unreadable, foreign
}

/// Hears how an adoption goes.
public protocol AdoptReporter: AnyObject {
    /// - Parameters:
    ///   - path: below the tree; not all names are UTF-8.
    ///   - reason: a sentence without a subject.
    func finding(_ finding: AdoptFinding, _ path: [UInt8], _ reason: String)

    func progress(_ progress: AdoptProgress)
}

/// How far an adoption is.
public enum AdoptProgress {
    /// Rows of the index that were looked at.
    case looking(rows: Int)
    case reading(AdoptOutcome)
    case recording
}
