import Synchronization

/// An S3 service and the right to use it: what all loops of a client share. May be used from any thread.
final class S3Service: Sendable {
    let configuration: S3Configuration
    let credentials: CredentialsProvider
    /// Regions of buckets that turned out not to be in the configured one.
    private let regions = Mutex<[String: String]>([:])
    private let hasRefusedUnsigned = Mutex(false)
    /// How many requests all loops have made, retries included.
    let requests = Atomic<Int>(0)

    init(_ configuration: S3Configuration, credentials: CredentialsProvider) {
        self.configuration = configuration
        self.credentials = credentials
    }

    func region(of bucket: String) -> String {
        // An access point's ARN names its region.
        if AccessPoint.isARN(bucket), let point = try? AccessPoint(arn: bucket) { return point.region }
        return regions.withLock { $0[bucket] } ?? configuration.region
    }

    func learn(region: String, of bucket: String) {
        regions.withLock { regions in
            // The number of buckets must not fill the memory.
            if regions.count >= 1000 { regions.removeAll() }
            regions[bucket] = region
        }
    }

    /// What to say of unsigned requests that the server has refused; nil if there are none, or they are meant to be
    /// unsigned.
    var unsignedRefusal: String? {
        hasRefusedUnsigned.withLock { $0 } ? credentials.trace.explanation : nil
    }

    /// Adds to a failure what a person can do about it.
    func explain(_ failure: inout S3Failure, bucket: String, server: String, isSigned: Bool) {
        if failure.code == "NoSuchBucket" {
            let setting = configuration.endpoint == nil ? "" : ", and whether this is the right server"
            failure.advice = "there is no bucket '\(bucket)' at \(server): check its name\(setting)"
            return
        }
        if isSigned, S3Failure.isAboutKeys(failure.code) {
            let place = (try? credentials.current().credentials?.origin).flatMap { $0 } ?? "an unknown place"
            failure.advice =
                "the credentials are from \(place), and \(server) does not accept them: check the access key, the secret "
                + "key and the session token there, and this machine's clock"
            return
        }
        guard !isSigned, !configuration.unsigned, failure.status == 401 || failure.status == 403 else { return }
        hasRefusedUnsigned.withLock { $0 = true }
        failure.advice = credentials.trace.explanation
    }

    enum Redirection {
        case region(String)
        case host(Endpoint)
    }

    /// Where a redirection leads, if this client's signature may be sent there.
    func redirection(_ failure: S3Failure, bucket: String, region: String, host: Endpoint?) -> Redirection? {
        if let wanted = failure.region, wanted != region { return .region(wanted) }
        guard failure.status != 400, let location = failure.redirectHost else { return nil }
        // Only the host counts: the path stays the requested one.
        let address = location.prefix { $0 != "?" && $0 != "#" }
        guard let colon = address.firstRange(of: "://") else { return nil }
        let authority = address[colon.upperBound...].prefix { $0 != "/" }
        guard let target = Endpoint("\(address[..<colon.lowerBound])://\(authority)") else { return nil }
        let base = configuration.base(bucket: bucket, region: region, host: host)
        guard let current = Endpoint(base.origin), target != current, S3Service.isSameProvider(current, target) else {
            return nil
        }
        return .host(target)
    }

    /// Whether credentials for one host may be sent to the other: the same host and port or a subdomain of it, or both
    /// AWS's S3; never from https to http.
    static func isSameProvider(_ current: Endpoint, _ target: Endpoint) -> Bool {
        if current.scheme == "https", target.scheme != "https" { return false }
        let isSamePort = current.port == target.port || (current.port == 80 && target.port == 443)
        if isSamePort, target.host == current.host || target.host.hasSuffix(".\(current.host)") { return true }
        let isAmazon = { (endpoint: Endpoint) in
            endpoint.scheme == "https" && endpoint.authority == endpoint.host
                && Partition.domains.contains { endpoint.host.hasSuffix(".\($0)") }
                && endpoint.host.split(separator: ".").contains { $0 == "s3" || $0.hasPrefix("s3-") }
        }
        return isAmazon(current) && isAmazon(target)
    }
}
