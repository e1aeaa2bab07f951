import Basics
import Synchronization

/// An S3 service, and what single requests share: its loops and their connections. May be used from any thread.
public final class S3Client: Sendable {
    let service: S3Service
    /// The options that its loops start with: time limits, the bandwidth limit.
    public let loopOptions: TransferLoop.Options
    /// Loops without work, which keep their connections.
    private let idleLoops = Mutex<[IdleLoop]>([])

    private static let mostIdleLoops = 8

    /// - Parameter credentials: where they come from, if not from the places that the configuration names.
    public init(
        _ configuration: S3Configuration, credentials: CredentialsProvider? = nil,
        loopOptions: TransferLoop.Options = TransferLoop.Options()
    ) {
        self.loopOptions = loopOptions
        service = S3Service(configuration, credentials: credentials ?? CredentialsProvider(configuration))
    }

    public var configuration: S3Configuration { service.configuration }

    /// What to call the server of a bucket in messages: its URL without a path.
    public func server(of bucket: String) -> String {
        configuration.base(bucket: bucket, region: configuration.region).origin
    }

    /// Looks for credentials, so that any problem with them is reported before work begins.
    ///
    /// - Returns: whether requests will be signed.
    @discardableResult
    public func resolveCredentials() throws -> Bool {
        try service.credentials.current().credentials != nil
    }

    /// Ends the programs that are still looking for credentials, in whichever thread: for a process that is about to end.
    public static func stopCredentialProcesses() {
        CredentialProcess.stopAll()
    }

    /// Where the credentials are from, as in "credentials from …"; nil without any.
    public func credentialsOrigin() throws -> String? {
        try service.credentials.current().credentials?.origin
    }

    /// A sentence for people if the server has refused requests that went unsigned for want of credentials; else nil.
    public var unsignedRefusal: String? { service.unsignedRefusal }

    /// How many requests were made so far, by all loops of this client and retries included.
    public var requestCount: Int { service.requests.load(ordering: .relaxed) }

    // MARK: - Loops for single calls

    private struct IdleLoop: @unchecked Sendable {
        // Nobody else uses a loop in this list: whoever takes it out has it alone.
        let loop: TransferLoop
    }

    /// Lends a loop, if possible one with open connections.
    func withLoop<Result>(_ body: (TransferLoop) throws -> Result) throws -> Result {
        let loop = try idleLoops.withLock { $0.popLast() }?.loop ?? TransferLoop(self, options: loopOptions)
        defer {
            let idle = IdleLoop(loop: loop)
            let surplus = idleLoops.withLock { loops -> IdleLoop? in
                if loops.count >= Self.mostIdleLoops { return idle }
                loops.append(idle)
                return nil
            }
            // Its connections are closed here, outside the lock.
            _ = surplus
        }
        return try body(loop)
    }

    /// Runs one transfer to its end.
    func run(_ transfer: Transfer) throws {
        var next: Transfer? = transfer
        try withLoop { loop in
            try loop.run {
                guard let transfer = next else { return .finished }
                next = nil
                return .transfer(transfer)
            }
        }
    }
}

extension TransferLoop {
    /// A loop that shares credentials and learned regions with the client, but no connections.
    public convenience init(_ client: S3Client, options: Options = Options()) throws(IcecoreError) {
        try self.init(client.service, options: options)
    }
}
