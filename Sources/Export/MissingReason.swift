/// Why the content of a file is not in the store.
public enum MissingReason: String, Sendable {
    case notHere = "not here"
    case gone, archived, pruned
}
