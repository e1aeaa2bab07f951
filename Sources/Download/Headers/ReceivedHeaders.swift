import Model
import S3

/// The headers that came with an object.
struct ReceivedHeaders: Sendable {
    var headers: ObjectHeaders
    /// How many tags it has, which have to be asked for.
    var tagCount: Int

    init(_ head: S3ResponseHead) {
        headers = head.objectHeaders
        tagCount = head.tagCount ?? 0
    }
}
