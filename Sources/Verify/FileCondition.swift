/// The condition of a file that was checked.
enum FileCondition: Sendable, Equatable {
    case sound
    /// It is not what its name says; with the reason, as a sentence without a subject.
    case damaged(String)
    /// This process has no permission to read it.
    case unreadable(String)
    /// The disk gives an error instead of the content.
    case failing(String)
    /// It was listed, but is no longer there.
    case vanished
}
