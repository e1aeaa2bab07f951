/// Why the content of a file is not to be had from the store.
public enum MissingReason: String, Sendable {
    case notHere = "not here"
    case gone, archived, pruned
    /// The blob is there, but cannot be read.
    case unreadable
}
