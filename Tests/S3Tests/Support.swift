import Basics
import Synchronization
import Testbed

@testable import S3

extension S3Client {
    /// A client for a server of the test bed.
    convenience init(
        _ server: S3Server, _ change: [String: String?] = [:], unsigned: Bool = false
    ) throws {
        let environment = server.environment.merging(change.compactMapValues { $0 }) { _, new in new }
            .filter { change[$0.key] != .some(nil) }
        self.init(try S3Configuration(unsigned: unsigned, environment: environment))
    }

    /// The objects below a prefix, in byte order of their keys.
    func listKeys(bucket: String, prefix: [UInt8]) throws -> [S3ListedObject] {
        var objects: [S3ListedObject] = []
        try list(bucket: bucket, prefix: prefix) { page in
            objects += page.objects
            return true
        }
        return objects
    }
}

func bytes(_ text: String) -> [UInt8] {
    Array(text.utf8)
}

/// Runs `body` and returns the failure that it must throw.
func failure(_ body: () throws -> Void) throws -> S3Failure {
    do {
        try body()
    } catch let failure as S3Failure {
        return failure
    }
    throw TestbedError("it succeeded")
}

/// Runs `body` and returns the error that it must throw.
func icecoreError(_ body: () throws -> Void) throws -> IcecoreError {
    do {
        try body()
    } catch let error as IcecoreError {
        return error
    }
    throw TestbedError("it succeeded")
}

/// The content of the fault server's `/synthetic/<size>/<name>`.
func synthetic(_ size: Int, _ name: String) -> [UInt8] {
    let block = SHA256.digest(bytes("\(size)/\(name)"))
    return (0..<size).map { block[$0 & 31] }
}

/// A transfer whose content is checked against an MD5, as a sync does it.
final class CheckedTransfer: Transfer {
    private let expected: [UInt8]?
    private var digest = MD5()
    private(set) var size = 0
    private(set) var head = S3ResponseHead()
    private let done: (CheckedTransfer, Result<Void, any Error>) throws -> Void

    init(
        _ request: S3Request, md5: [UInt8]? = nil,
        done: @escaping (CheckedTransfer, Result<Void, any Error>) throws -> Void
    ) {
        expected = md5
        self.done = done
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        self.head = head
        digest = MD5()
        size = 0
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        digest.update(bytes)
        size += bytes.count
    }

    override func complete() throws {
        var finished = MD5()
        swap(&finished, &digest)
        let sum = finished.finalize()
        if let expected, sum != expected { throw S3Failure.corrupt("another MD5") }
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        try done(self, result)
    }
}

extension TransferLoop {
    /// Runs the transfers that `make` gives for 0, 1, 2 …
    func run(count: Int, _ make: (Int) -> Transfer) throws {
        var index = 0
        try run {
            guard index < count else { return .finished }
            defer { index += 1 }
            return .transfer(make(index))
        }
    }
}

/// The fault server's objects of one size, all requested once; the results by number.
func fetchSynthetic(
    _ client: S3Client, count: Int, size: Int, options: TransferLoop.Options = .init()
) throws -> (results: [Result<Void, any Error>?], statistics: TransferLoop.Statistics) {
    let loop = try TransferLoop(client, options: options)
    var results = [Result<Void, any Error>?](repeating: nil, count: count)
    try loop.run(count: count) { index in
        let name = "o\(index)"
        let request = S3Request(bucket: "synthetic", key: bytes("\(size)/\(name)"), expectedLength: Int64(size))
        return CheckedTransfer(request, md5: MD5.digest(synthetic(size, name))) { _, result in results[index] = result }
    }
    return (results, loop.statistics)
}

extension Result {
    var isSuccess: Bool {
        if case .success = self { return true }
        return false
    }
}
