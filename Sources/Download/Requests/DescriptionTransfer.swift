import S3

/// A HEAD: what the source knows of an object, and the part size of a multipart upload.
final class DescriptionTransfer: Transfer {
    private let source: SourceObject
    private var description: ObjectDescription?
    private var done: ((Result<ObjectDescription?, any Error>) throws -> Void)?

    /// - Parameter done: called with the answer; nil where the server gives none, since it may forbid or not know the request.
    init(_ source: SourceObject, done: @escaping (Result<ObjectDescription?, any Error>) throws -> Void) {
        self.source = source
        self.done = done
        var request = source.request(.head)
        if source.want.etag.parts > 0 { request.query = [("partNumber", Array("1".utf8))] }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        // A server that ignores partNumber gives the length of the whole object, and no count.
        let parts = Int(source.want.etag.parts)
        var partSize = parts > 0 && head.partsCount == parts ? head.contentLength : nil
        // Ignore a size that cannot be right.
        if let size = partSize, size <= 0 || (source.want.size - 1) / size + 1 != parts { partSize = nil }
        description = ObjectDescription(head, partSize: partSize)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        let done = done.take()
        switch result {
        case .success:
            try done?(.success(description))
        case .failure(let failure as S3Failure) where failure.kind == .response && (400..<500).contains(failure.status):
            try done?(.success(nil))
        case .failure(let error):
            try done?(.failure(error))
        }
    }
}
