import Basics

/// A request whose answer, of limited size, is collected in memory.
public final class CollectingTransfer: Transfer {
    private var head = S3ResponseHead()
    private var bytes: [UInt8] = []
    private var result: Result<Void, any Error> = .failure(S3Failure(.cancelled, message: "cancelled"))
    private let limit: Int
    private let check: ([UInt8]) throws -> Void
    private let done: (Result<S3Object, any Error>) throws -> Void

    /// - Parameters:
    ///   - limit: the most bytes to accept; more is `invalidData`.
    ///   - check: judges a complete body; after a transient failure the request is retried.
    ///   - done: gets the answer, or why there is none. An error thrown here ends the loop's run.
    public init(
        _ request: S3Request, limit: Int = 1 << 20, check: @escaping ([UInt8]) throws -> Void = { _ in },
        done: @escaping (Result<S3Object, any Error>) throws -> Void = { _ in }
    ) {
        self.limit = limit
        self.check = check
        self.done = done
        super.init(request)
    }

    public override func begin(_ head: S3ResponseHead) throws {
        self.head = head
        if request.method != .head, let length = head.contentLength {
            try checkLength(length)
            bytes.reserveCapacity(Int(length))
        }
    }

    private func checkLength(_ length: Int64) throws {
        if length > limit {
            throw IcecoreError(
                .invalidData, "\(request.displayName) is larger than \(limit) bytes")
        }
    }

    public override func body(_ bytes: UnsafeRawBufferPointer) throws {
        try checkLength(Int64(self.bytes.count + bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    public override func complete() throws {
        try check(bytes)
    }

    public override func restart() {
        bytes.removeAll()
    }

    public override func finished(_ result: Result<Void, any Error>) throws {
        self.result = result
        try done(result.map { S3Object(head: head, bytes: bytes) })
    }

    func object() throws -> S3Object {
        try result.get()
        return S3Object(head: head, bytes: bytes)
    }
}
