/// Completes a multipart upload: one request, and another one where its answer may have been lost.
public final class UploadCompletion {
    private enum CompletionStage {
        case new, waiting, doubtful(S3Failure), over
    }

    private let bucket: String
    private let key: [UInt8]
    private let id: String
    private let etags: [String]
    private let size: Int64
    private let done: (Result<Completed, any Error>) throws -> Void
    private var stage = CompletionStage.new

    /// What an upload has become.
    public struct Completed: Sendable {
        /// Without quotation marks; nil where the server does not say.
        public var etag: String?
        public var head: S3ResponseHead
    }

    /// - Parameters:
    ///   - etags: the ETags of the parts 1, 2, …, as the server gave them.
    ///   - size: of all parts together, in bytes.
    ///   - done: called once. An error thrown here ends the loop's run.
    public init(
        bucket: String, key: [UInt8], id: String, etags: [String], size: Int64,
        done: @escaping (Result<Completed, any Error>) throws -> Void
    ) {
        (self.bucket, self.key, self.id, self.etags, self.size, self.done) = (bucket, key, id, etags, size, done)
    }

    /// The next request, if there is one to be made now.
    public func next() -> Transfer? {
        switch stage {
        case .new:
            stage = .waiting
            let request = S3Request.completingUpload(id, bucket: bucket, key: key, etags: etags)
            return CollectingTransfer(
                request, check: S3UploadAnswer.checkCompletion, done: { [self] in try answered($0) })
        case .doubtful(let failure):
            stage = .waiting
            return CollectingTransfer(
                S3Request(.head, bucket: bucket, key: key), limit: 0,
                done: { [self] in try found($0, after: failure) })
        case .waiting, .over: return nil
        }
    }

    private func answered(_ answer: Result<S3Object, any Error>) throws {
        if case .failure(let failure as S3Failure) = answer, failure.code == "NoSuchUpload" {
            // If an answer was lost and the request retried, a server may no longer know the upload it completed.
            stage = .doubtful(failure)
            return
        }
        stage = .over
        try done(
            answer.map { Completed(etag: S3UploadAnswer.etag(ofCompletion: $0.bytes), head: $0.head) })
    }

    private func found(_ answer: Result<S3Object, any Error>, after failure: S3Failure) throws {
        stage = .over
        if case .success(let object) = answer, object.head.contentLength == size,
            let etag = S3UploadAnswer.etag(ofParts: etags), object.head.etag == etag
        {
            return try done(.success(Completed(etag: etag, head: object.head)))
        }
        try done(.failure(failure))
    }
}
