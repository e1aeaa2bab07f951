import S3

/// A HEAD that asks for an object's headers.
final class HeaderTransfer: Transfer {
    let source: SourceObject
    private var received: ReceivedHeaders?
    private var done: ((HeaderTransfer, Result<ReceivedHeaders, any Error>) throws -> Void)?

    init(
        _ source: SourceObject,
        done: @escaping (HeaderTransfer, Result<ReceivedHeaders, any Error>) throws -> Void
    ) {
        self.source = source
        self.done = done
        super.init(source.request(.head))
    }

    override func begin(_ head: S3ResponseHead) throws {
        try source.check(head)
        received = ReceivedHeaders(head)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        let done = done.take()
        try done?(
            self,
            result.flatMap {
                received.map { .success($0) } ?? .failure(S3Failure.corrupt("the answer has no headers"))
            })
    }
}
