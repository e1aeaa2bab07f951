import Basics
import Glibc

/// An answer that is kept in memory.
public struct S3Object: Sendable {
    public let head: S3ResponseHead
    public let bytes: [UInt8]
}

/// A transfer that collects a bounded body.
final class CollectingTransfer: Transfer {
    private(set) var head = S3ResponseHead()
    private(set) var bytes: [UInt8] = []
    private var result: Result<Void, any Error> = .failure(S3Failure(.cancelled, message: "cancelled"))
    private let limit: Int
    private let isRight: ([UInt8]) throws -> Void

    /// - Parameter isRight: judges a complete answer; a passing failure has the request made again.
    init(_ request: S3Request, limit: Int, isRight: @escaping ([UInt8]) throws -> Void = { _ in }) {
        self.limit = limit
        self.isRight = isRight
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        self.head = head
        if request.method != .head, let length = head.contentLength {
            try check(length)
            bytes.reserveCapacity(Int(length))
        }
    }

    private func check(_ length: Int64) throws {
        if length > limit {
            throw IcecoreError(
                .invalidData, "\(request.displayName) is larger than \(limit) bytes, which is not plausible")
        }
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        try check(Int64(self.bytes.count + bytes.count))
        self.bytes.append(contentsOf: bytes)
    }

    override func complete() throws {
        try isRight(bytes)
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

extension S3Client {
    /// Makes one request and keeps its answer.
    ///
    /// - Parameter limit: the most bytes to accept; more is `invalidData`.
    /// - Throws: ``S3Failure`` for what the server says, ``IcecoreError`` for the rest.
    public func send(_ request: S3Request, limit: Int = 1 << 20) throws -> S3Object {
        let transfer = CollectingTransfer(request, limit: limit)
        try run(transfer)
        return try transfer.object()
    }

    /// The content of an object, or a part of it, in memory.
    public func get(
        bucket: String, key: [UInt8], versionId: String? = nil, range: Range<Int64>? = nil, ifMatch: String? = nil,
        limit: Int
    ) throws -> S3Object {
        let request = S3Request(
            .get, bucket: bucket, key: key, versionId: versionId, range: range, ifMatch: ifMatch)
        return try send(request, limit: limit)
    }

    /// What the server says of an object.
    ///
    /// - Parameter partNumber: of a multipart upload; the length is then the part's, and `partsCount` is there.
    public func head(
        bucket: String, key: [UInt8], versionId: String? = nil, partNumber: Int? = nil
    ) throws -> S3ResponseHead {
        var request = S3Request(.head, bucket: bucket, key: key, versionId: versionId)
        if let partNumber { request.query = [("partNumber", Array(String(partNumber).utf8))] }
        return try send(request, limit: 0).head
    }
}

/// An object to be written to a file.
public struct S3Download: Sendable {
    public var bucket: String
    public var key: [UInt8]
    public var versionId: String?
    /// The file to write; one that exists is replaced.
    public var path: String
    /// What the content must be; anything else is fetched again, and in the end a failure.
    public var md5: [UInt8]?
    public var size: Int64?

    public init(
        bucket: String, key: [UInt8], versionId: String? = nil, path: String, md5: [UInt8]? = nil, size: Int64? = nil
    ) {
        self.bucket = bucket
        self.key = key
        self.versionId = versionId
        self.path = path
        self.md5 = md5
        self.size = size
    }
}

/// What a download has become.
public struct S3DownloadedFile: Sendable {
    public let head: S3ResponseHead
    public let md5: [UInt8]
    public let size: Int64
}

/// A transfer into a file.
private final class FileTransfer: Transfer {
    private let download: S3Download
    private var file: File?
    private var digest = MD5()
    private var size: Int64 = 0
    private var head = S3ResponseHead()
    private let done: (S3DownloadedFile) -> Void

    init(_ download: S3Download, done: @escaping (S3DownloadedFile) -> Void) {
        self.download = download
        self.done = done
        super.init(
            S3Request(
                bucket: download.bucket, key: download.key, versionId: download.versionId,
                expectedLength: download.size))
    }

    override func begin(_ head: S3ResponseHead) throws {
        self.head = head
        digest = MD5()
        size = 0
        file = try File(download.path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        try file?.write(bytes)
        digest.update(bytes)
        size += Int64(bytes.count)
    }

    override func complete() throws {
        var finished = MD5()
        swap(&finished, &digest)
        let md5 = finished.finalize()
        if let expected = download.md5, expected != md5 {
            throw S3Failure.corrupt("its MD5 is \(Hex.encode(md5)) where \(Hex.encode(expected)) was expected")
        }
        let written = file.take()
        try written?.close()
        done(S3DownloadedFile(head: head, md5: md5, size: size))
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        if case .failure(let error) = result {
            unlink(download.path)
            throw error
        }
    }
}

extension S3Client {
    /// Writes objects to files, several at a time. The first that fails ends it all; its file is removed.
    ///
    /// - Parameters:
    ///   - downloads: pulled as there is room.
    ///   - done: told of each file as it is complete, with its place in the order of `downloads`.
    public func download(
        _ downloads: some Sequence<S3Download>, maxInFlight: Int = 8,
        progress: ((TransferLoop.Statistics) -> Void)? = nil,
        done: @escaping (_ index: Int, _ file: S3DownloadedFile) -> Void
    ) throws {
        var options = loopOptions
        options.maxInFlight = maxInFlight
        let loop = try TransferLoop(self, options: options)
        loop.progress = progress
        var iterator = downloads.makeIterator()
        var count = 0
        try loop.run {
            guard let download = iterator.next() else { return .finished }
            let index = count
            count += 1
            return .transfer(FileTransfer(download) { done(index, $0) })
        }
    }

    /// Writes one object to a file.
    @discardableResult
    public func download(_ download: S3Download) throws -> S3DownloadedFile {
        var file: S3DownloadedFile?
        try run(FileTransfer(download) { file = $0 })
        guard let file else { throw S3Failure(.cancelled, message: "cancelled") }
        return file
    }
}
