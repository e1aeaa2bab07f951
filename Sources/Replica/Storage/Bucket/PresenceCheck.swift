import S3
import Upload

/// A HEAD request that tells whether a content is at its path already.
final class PresenceCheck: Transfer {
    private let job: UploadJob
    private let done: (_ isPresent: Bool) throws -> Void
    private var isPresent = false

    init(_ bucket: ReplicaBucket, _ job: UploadJob, done: @escaping (_ isPresent: Bool) throws -> Void) {
        self.job = job
        self.done = done
        super.init(bucket.request(.head, job.path))
    }

    override func begin(_ head: S3ResponseHead) throws {
        isPresent = head.contentLength == job.size
        if case .blob(_, .etag(let name, _), _) = job.payload, name.parts == 0, let md5 = head.storedMD5 {
            isPresent = isPresent && md5 == name.md5
        }
        if isPresent, job.item?.pack != nil, !head.hasOpaqueETag, let etag = head.etag,
            let expected = try PackETag.expected(job.payload, etag)
        {
            isPresent = expected == etag
        }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success: try done(isPresent)
        case .failure(let failure as S3Failure) where failure.kind == .response: try done(false)
        case .failure(let error): throw error
        }
    }
}
