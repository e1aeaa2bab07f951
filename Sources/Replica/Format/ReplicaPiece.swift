/// A compressed file of a replica, and what it contains.
struct ReplicaPiece: Codable, Equatable, Sendable {
    /// From the replica's root; in the directory of this snapshot or of an earlier one.
    var path: String
    /// Of the uncompressed content.
    var sha256: String
    /// Bytes of the uncompressed content.
    var size: Int64
    /// How many names a part of the manifest has.
    var count: Int?

    /// The largest uncompressed content of a piece, in bytes.
    static let largest: Int64 = 64 << 20
}
