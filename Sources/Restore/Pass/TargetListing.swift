import Basics
import S3

/// What the target has, in the byte order of keys, as a thread lists it: it is one page ahead of what is taken.
final class TargetListing {
    enum NextListed {
        case object(S3ListedObject)
        /// The next page is on its way.
        case waiting
        case end
    }

    private let pages: Channel<Result<[S3ListedObject]?, any Error>>
    private var page: ArraySlice<S3ListedObject> = []
    private var last: [UInt8]?
    private var isAtEnd = false
    private let thread: SystemThread
    private let bucket: String

    /// - Parameter arrived: called on the listing's thread whenever there is something to take.
    init(_ client: S3Client, bucket: String, prefix: [UInt8], arrived: @escaping @Sendable () -> Void) throws {
        self.bucket = bucket
        let pages = Channel<Result<[S3ListedObject]?, any Error>>(limit: 1)
        self.pages = pages
        thread = try SystemThread("listing") {
            do {
                try client.list(bucket: bucket, prefix: prefix) { page in
                    let goesOn = pages.send(.success(page.objects))
                    arrived()
                    return goesOn
                }
                pages.send(.success(nil))
            } catch {
                pages.send(.failure((error as? S3Failure)?.asError ?? error))
            }
            pages.close()
            arrived()
        }
    }

    /// Ends the listing, wherever it is.
    func stop() {
        pages.close()
        thread.join()
    }

    /// The next object, which stays the next one until ``take()``.
    func peek() throws -> NextListed {
        while page.isEmpty {
            if isAtEnd { return .end }
            guard let next = pages.receiveNow() else { return .waiting }
            guard let objects = try next.get() else {
                isAtEnd = true
                continue
            }
            try check(objects)
            page = objects[...]
        }
        return page.first.map { .object($0) } ?? .end
    }

    func take() { page.removeFirst() }

    /// Two lists can only be compared in one pass if both have the same order.
    private func check(_ objects: [S3ListedObject]) throws {
        for object in objects {
            if let last, !last.lexicographicallyPrecedes(object.key) {
                throw IcecoreError(
                    .unsupported,
                    "the server does not list \(bucket) in the byte order of keys ('\(Display.text(object.key))' comes "
                        + "after '\(Display.text(last))'), so what is there cannot be compared with what was")
            }
            last = object.key
        }
    }
}
