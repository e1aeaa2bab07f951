/// `latest.json`: points to the newest snapshot. It is the one file of a replica that ever changes.
struct ReplicaLatest: Codable, Equatable {
    var format: Int
    var storeId: String
    /// Counts the pushes.
    var sequence: Int
    /// The snapshot's directory: `snapshots/<name>`.
    var snapshot: String
    /// Of its `metadata.json`, in hexadecimal digits.
    var metadataSHA256: String
    var pushedAt: String
    var pushedBy: String
}
