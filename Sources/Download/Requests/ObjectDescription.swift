import Model
import S3

/// What an answer says of an object, apart from its bytes.
struct ObjectDescription {
    /// The parts of the upload, where they are known for certain.
    var parts: PartLayout?
    /// The bytes of one part of the upload; nil where the server does not say.
    var partLength: Int64?
    /// The ETag is not an MD5.
    var isOpaque: Bool
    /// nil: not said.
    var headers: ReceivedHeaders?
    /// What the source keeps of the whole object's bytes.
    var checksum: ContentChecksum?

    /// Adds what another answer about the same object says.
    mutating func add(_ other: ObjectDescription) {
        partLength = partLength ?? other.partLength
        isOpaque = isOpaque || other.isOpaque
        headers = headers ?? other.headers
        checksum = checksum ?? other.checksum
    }

    /// The parts of the upload as far as the length of its first one tells: they are all of that size, if that makes the
    /// right number of them.
    func likelyParts(of want: FetchRequest) -> PartLayout? {
        if let parts { return parts }
        guard let partLength, want.size > 0, (want.size - 1) / partLength + 1 == Int64(want.etag.parts) else {
            return nil
        }
        return .even(partLength)
    }
}

extension ObjectDescription {
    /// - Parameter want: what was asked for as a whole, so that a checksum is one of all of it; nil: a part of it was.
    init(_ head: S3ResponseHead, of want: FetchRequest?, partLength: Int64? = nil) {
        self.init(
            partLength: partLength, isOpaque: head.hasOpaqueETag, headers: ReceivedHeaders(head),
            checksum: want.flatMap { ContentChecksum(head, isOfParts: $0.etag.parts > 0 || $0.etag.verbatim != nil) })
    }
}
