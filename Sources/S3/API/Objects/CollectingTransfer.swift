import Basics

/// A transfer that collects a body of limited size in memory.
final class CollectingTransfer: Transfer {
    private(set) var head = S3ResponseHead()
    private(set) var bytes: [UInt8] = []
    private var result: Result<Void, any Error> = .failure(S3Failure(.cancelled, message: "cancelled"))
    private let limit: Int
    private let check: ([UInt8]) throws -> Void

    /// - Parameter check: judges a complete body; after a transient failure the request is retried.
    init(_ request: S3Request, limit: Int, check: @escaping ([UInt8]) throws -> Void = { _ in }) {
        self.limit = limit
        self.check = check
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
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

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        try checkLength(Int64(self.bytes.count + bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    override func complete() throws {
        try check(bytes)
    }

    override func restart() {
        bytes.removeAll()
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        self.result = result
    }

    func object() throws -> S3Object {
        try result.get()
        return S3Object(head: head, bytes: bytes)
    }
}
