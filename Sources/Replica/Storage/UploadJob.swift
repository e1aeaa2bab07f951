import Upload

/// Something to put at a path of a replica.
struct UploadJob: Sendable {
    var path: String
    var payload: UploadPayload
    /// What it is, if the lists of the replica are to name it.
    var item: ReplicaItem?
    /// An earlier push may have sent it: look before sending. When it is done, whether it was there.
    var mayExist = false

    var size: Int64 { payload.size }

    init(path: String, payload: UploadPayload) {
        self.path = path
        self.payload = payload
    }

    init(item: ReplicaItem, payload: UploadPayload) {
        self.init(path: item.path, payload: payload)
        self.item = item
    }
}
