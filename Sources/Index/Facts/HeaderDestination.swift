/// Where the headers go that are learnt while contents are fetched.
public enum HeaderDestination: Sendable {
    /// They are dropped.
    case nowhere
    /// Into the rows of the version, which exist.
    case rows
    /// Beside the index, in the directory named, until a commit writes the rows.
    case arrived(directory: String)
}
