/// Why the target cannot have a file whose content is in the store.
public enum LeftOutReason: String, Sendable {
    /// The target cannot tell its name from that of another key.
    case sameName = "same name"
    /// The target cannot have a file of this name.
    case name
    case tooLarge = "too large"
    /// Something that no export wrote.
    case inTheWay = "in the way"
}
