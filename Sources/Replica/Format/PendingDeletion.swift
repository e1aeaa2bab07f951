/// Files that no snapshot needs any more and that a push has marked for deletion.
struct PendingDeletion: Codable, Equatable {
    var paths: [String]
    /// When a push marked them (RFC 3339).
    var markedAt: String
    /// When a push announced that it deletes them; nil: none has.
    var deletingSince: String?

    private enum CodingKeys: String, CodingKey {
        case paths
        case markedAt = "since"
        case deletingSince
    }
}
