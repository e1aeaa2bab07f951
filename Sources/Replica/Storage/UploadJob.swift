import Upload

/// Something to put at a path of a replica.
struct UploadJob: Sendable {
    var path: String
    var payload: UploadPayload
    /// An earlier push may have sent it: look before sending.
    var mayExist = false

    var size: Int64 { payload.size }
}
