/// What the newest push says of one before it that can still be opened.
struct EarlierPush: Codable, Equatable {
    /// `snapshots/<name>`.
    var path: String
    /// Of its `metadata.json`, in hexadecimal digits.
    var metadataSHA256: String
    var sequence: Int
    var pushedAt: String
    var pushedBy: String
    /// How many of the store's snapshots it has, and the name of the newest of them.
    var snapshots: Int
    var newest: String?
}
