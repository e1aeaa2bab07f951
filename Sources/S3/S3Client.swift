import Basics
import Synchronization

/// An S3 service and the right to use it: what loops and calls share. May be used from any thread.
public final class S3Client: Sendable {
    public let configuration: S3Configuration
    let credentials: CredentialsProvider
    /// What its loops begin with: patience, the bandwidth limit.
    public let loopOptions: TransferLoop.Options
    /// Regions of buckets as far as they turned out to be others than the configuration says.
    private let regions = Mutex<[String: String]>([:])
    /// Loops that have nothing to do but keep their connections.
    private let idleLoops = Mutex<[IdleLoop]>([])

    private static let mostIdleLoops = 8

    /// - Parameter credentials: where they come from, if not from the places that the configuration names.
    public init(
        _ configuration: S3Configuration, credentials: CredentialsProvider? = nil,
        loopOptions: TransferLoop.Options = TransferLoop.Options()
    ) {
        self.configuration = configuration
        self.loopOptions = loopOptions
        self.credentials = credentials ?? CredentialsProvider(configuration)
    }

    /// Finds out whether there are credentials, and says what is wrong with them before any work begins.
    ///
    /// - Returns: whether requests will be signed.
    @discardableResult
    public func resolveCredentials() throws -> Bool {
        try credentials.current().credentials != nil
    }

    // MARK: - Regions

    func region(of bucket: String) -> String {
        regions.withLock { $0[bucket] } ?? configuration.region
    }

    func learn(region: String, of bucket: String) {
        regions.withLock { regions in
            // Not for ever more buckets, whoever names them.
            if regions.count >= 1000 { regions.removeAll() }
            regions[bucket] = region
        }
    }

    enum Redirection {
        case region(String)
        case host(Endpoint)
    }

    /// Where a redirection leads, if that is a place where this client's signature may be shown.
    func redirection(_ failure: S3Failure, bucket: String, region: String, host: Endpoint?) -> Redirection? {
        if let wanted = failure.region, wanted != region { return .region(wanted) }
        guard failure.status != 400, let location = failure.redirectHost else { return nil }
        // Only the host counts: the path is the one that was asked for.
        let address = location.prefix { $0 != "?" && $0 != "#" }
        guard let colon = address.firstRange(of: "://") else { return nil }
        let authority = address[colon.upperBound...].prefix { $0 != "/" }
        guard let target = Endpoint("\(address[..<colon.lowerBound])://\(authority)") else { return nil }
        let base = configuration.base(bucket: bucket, region: region, host: host)
        guard let current = Endpoint(base.origin), target != current, S3Client.isSameProvider(current, target) else {
            return nil
        }
        return .host(target)
    }

    /// Whether credentials meant for one host may be shown to the other: the same host and port or a host below it, or
    /// both AWS's S3; never from https to http.
    static func isSameProvider(_ current: Endpoint, _ target: Endpoint) -> Bool {
        if current.scheme == "https", target.scheme != "https" { return false }
        let isSamePort = current.port == target.port || (current.port == 80 && target.port == 443)
        if isSamePort, target.host == current.host || target.host.hasSuffix(".\(current.host)") { return true }
        let isAmazon = { (endpoint: Endpoint) in
            endpoint.scheme == "https" && endpoint.authority == endpoint.host
                && (endpoint.host.hasSuffix(".amazonaws.com") || endpoint.host.hasSuffix(".amazonaws.com.cn"))
                && endpoint.host.split(separator: ".").contains { $0 == "s3" || $0.hasPrefix("s3-") }
        }
        return isAmazon(current) && isAmazon(target)
    }

    // MARK: - Loops for single calls

    private struct IdleLoop: @unchecked Sendable {
        // A loop in this list is in nobody's hands: whoever takes it out has it alone.
        let loop: TransferLoop
    }

    /// Lends a loop whose connections have been used before, if there is one.
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
