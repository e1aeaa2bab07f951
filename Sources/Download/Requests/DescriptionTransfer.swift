import S3

/// A HEAD: what the source knows of an object, and the length of one part of a multipart upload.
final class DescriptionTransfer: Transfer {
    private let source: SourceObject
    private let part: Int?
    private var description: ObjectDescription?
    private var done: ((Result<ObjectDescription?, any Error>) throws -> Void)?

    /// - Parameters:
    ///   - part: which part of a multipart upload to ask for, counted from 1; nil: the whole object.
    ///   - done: called with the answer; nil where the server gives none, since it may forbid the request, or not know it.
    init(
        _ source: SourceObject, part: Int?, done: @escaping (Result<ObjectDescription?, any Error>) throws -> Void
    ) {
        self.source = source
        self.part = part
        self.done = done
        var request = source.request(.head)
        if let part { request.query = [("partNumber", Array("\(part)".utf8))] }
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        // A server that ignores partNumber gives the length of the whole object, and no count.
        let parts = Int(source.want.etag.parts)
        var length = part != nil && parts > 0 && head.partsCount == parts ? head.contentLength : nil
        // Ignore a length that cannot be right.
        if let given = length, given <= 0 || given > source.want.size { length = nil }
        description = ObjectDescription(head, of: part == nil ? source.want : nil, partLength: length)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        let done = done.take()
        switch result {
        case .success:
            try done?(.success(description))
        case .failure(let failure as S3Failure) where failure.kind == .response && (400...501).contains(failure.status):
            try done?(.success(nil))
        case .failure(let error):
            try done?(.failure(error))
        }
    }
}
