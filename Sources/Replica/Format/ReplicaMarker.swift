/// `icecore-replica.json`: says that a place holds a replica, and of which store.
struct ReplicaMarker: Codable, Equatable {
    var format: Int
    /// Made up when the replica began; another replica at the same place has another ID.
    var replicaId: String
    var storeId: String
    var createdAt: String
}
