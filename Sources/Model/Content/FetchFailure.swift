/// Why a content could not be fetched, as far as it matters for what happens next.
public enum FetchFailure: String, Sendable {
    /// It may work the next time.
    case missing
    /// A GET needs a restore first.
    case archived
    /// The credentials do not suffice.
    case refused
    /// Encrypted with a key of its owner (SSE-C), without which nobody can read it.
    case encrypted
    /// The source has lost it for good.
    case gone

    /// The state of a content for which this is the last word.
    public var state: ContentState {
        switch self {
        case .missing: .missing
        case .archived: .archived
        case .refused, .encrypted: .refused
        case .gone: .gone
        }
    }

    /// Whether the source denies that the content can ever be had, or had with these credentials.
    public var isLoss: Bool { self == .gone || self == .refused }
}

extension FetchFailure {
    /// What an index records of a refused content that no inventory lists any more: gone, until one lists it again.
    public static let unlisted = "unlisted"

    /// As an index records it.
    ///
    /// - Parameters:
    ///   - text: the column `state`; empty in an index of an older program.
    ///   - isGone: the column `gone`.
    public init(text: String, isGone: Bool) {
        self = isGone ? .gone : FetchFailure(rawValue: text) ?? .missing
    }
}
