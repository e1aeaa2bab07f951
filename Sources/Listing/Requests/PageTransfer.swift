import Basics
import S3

/// A request for a page. What comes damaged is asked for again.
final class PageTransfer: Transfer {
    private var bytes: [UInt8] = []
    private var page: S3VersionPage?
    private let done: (Result<S3VersionPage, any Error>) throws -> Void

    init(_ request: S3Request, done: @escaping (Result<S3VersionPage, any Error>) throws -> Void) {
        self.done = done
        super.init(request)
    }

    override func begin(_ head: S3ResponseHead) throws {
        bytes.reserveCapacity(min(Int(clamping: head.contentLength ?? 0), S3VersionPage.largestAnswer))
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        guard self.bytes.count + bytes.count <= S3VersionPage.largestAnswer else {
            throw S3Failure.lasting("a page of the listing is larger than \(S3VersionPage.largestAnswer >> 20) MiB")
        }
        self.bytes.append(contentsOf: bytes)
    }

    override func complete() throws {
        do {
            page = try S3VersionPage(xml: bytes)
        } catch let error as IcecoreError {
            throw S3Failure.corrupt(error.message)
        }
        bytes = []
    }

    override func restart() {
        bytes = []
        page = nil
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success:
            guard let page else { throw IcecoreError(.invalidData, "the server answered with nothing") }
            self.page = nil
            try done(.success(page))
        case .failure(let error): try done(.failure(error))
        }
    }
}
