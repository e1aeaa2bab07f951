import S3

/// Asks what the source knows of a large object before any of it is fetched.
final class DescriptionTransfer: Transfer {
    /// What a HEAD says.
    struct Description {
        /// Of a multipart upload; nil where the server does not say.
        var partSize: Int64?
        /// The ETag is no MD5 of anything.
        var isOpaque: Bool
        /// JSON, or nil where there is nothing worth keeping.
        var headers: String?
    }

    private let source: SourceObject
    private var description: Description?
    private var done: ((Result<Description?, any Error>) throws -> Void)?

    /// - Parameter done: told the answer; nil where the server has none: the question may be forbidden or unknown to it.
    init(_ source: SourceObject, done: @escaping (Result<Description?, any Error>) throws -> Void) {
        self.source = source
        self.done = done
        var request = source.request(.head)
        if source.want.etag.parts > 0 { request.query = [("partNumber", Array("1".utf8))] }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        // A server that ignores partNumber gives the whole object's length, and no count.
        let parts = Int(source.want.etag.parts)
        var partSize = parts > 0 && head.partsCount == parts ? head.contentLength : nil
        // What cannot be is not believed.
        if let size = partSize, size <= 0 || (source.want.size - 1) / size + 1 != parts { partSize = nil }
        description = Description(
            partSize: partSize, isOpaque: head.hasOpaqueETag,
            headers: head.headersWorthKeeping)
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
