extension TransferLoop {
    public struct Options: Sendable {
        /// The most requests in flight; the loop itself finds out how many pay off.
        public var maxInFlight = 256
        /// How often a request is made before it counts as failed.
        public var attempts = 6
        /// Milliseconds to wait for a connection.
        public var connectTimeout = 5000
        /// Seconds without progress after which an attempt is abandoned.
        public var stallTimeout = 30
        /// Bytes a second, all transfers together.
        public var bandwidthLimit: Int64?
        /// Milliseconds before the second attempt, on average; the wait doubles with each further one.
        public var backoff = 200
        /// The longest wait between attempts, in milliseconds.
        public var maxBackoff = 20_000

        public init() {}
    }

    public struct Statistics: Sendable {
        /// Requests made, retries included.
        public internal(set) var requests = 0
        public internal(set) var retries = 0
        public internal(set) var succeeded = 0
        public internal(set) var failed = 0
        /// Bytes of bodies received, including discarded ones.
        public internal(set) var bytes: Int64 = 0
        public internal(set) var inFlight = 0
        /// Bytes received of bodies that are not complete yet.
        public internal(set) var bytesInFlight: Int64 = 0
        /// How many requests the loop currently allows itself.
        public internal(set) var window = 0

        public init() {}

        /// Adds requests that others have made, and bytes that they have received.
        public mutating func add(requests: Int, retries: Int, bytes: Int64) {
            self.requests += requests
            self.retries += retries
            self.bytes += bytes
        }
    }

    /// Wakes a waiting loop from any thread, so that it asks for the next transfer again.
    public struct Wakeup: Sendable {
        let waker: Waker

        public func wake() {
            waker.wake()
        }
    }
}
