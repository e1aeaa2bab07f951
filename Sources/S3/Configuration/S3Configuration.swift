import Basics

/// Where S3 is and how to access it: everything but the bucket and the secrets.
public struct S3Configuration: Sendable {
    /// The region to sign for, unless a bucket turns out to be in another.
    public let region: String
    let endpoint: Endpoint?
    /// The server's URL; nil: AWS's own.
    public var endpointURL: String? { endpoint?.description }
    /// Whether the server is AWS's own.
    public var isAmazon: Bool { endpoint == nil }
    /// Nil: virtual for AWS where the bucket's name allows it, path style for any other server.
    let addressing: Addressing?
    /// Whether to use AWS's hosts that have IPv6 addresses too, or those with FIPS 140 modules.
    let isDualStack: Bool
    let isFIPS: Bool
    /// The profile that was named on the command line.
    public let profile: String?
    /// The profile whose settings hold, named anywhere; nil: the default.
    public let profileName: String?
    /// Never signs, even if there are credentials.
    public let unsigned: Bool
    /// The requester pays for requests and traffic (`x-amz-request-payer`).
    public let requesterPays: Bool
    /// A file of certificates to trust instead of the system's.
    let certificateBundle: String?
    let environment: [String: String]
    let profiles: ProfileFiles
    /// Those of the profile; empty if there is none.
    let settings: [String: String]

    /// What is not given is read from the environment, then from the profile, as AWS's own tools do.
    ///
    /// - Parameters:
    ///   - region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's, `us-east-1`.
    ///   - endpointURL: else see ``configuredEndpoint(of:_:_:_:)``; else AWS itself.
    ///   - addressing: else the profile's `addressing_style` of `s3`.
    ///   - profile: else AWS_PROFILE, AWS_DEFAULT_PROFILE, `default`.
    ///   - environment: used instead of the process's environment.
    public init(
        region: String? = nil, endpointURL: String? = nil, addressing: Addressing? = nil, profile: String? = nil,
        unsigned: Bool = false, requesterPays: Bool = false, environment: [String: String]
    ) throws(IcecoreError) {
        func setting(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        self.environment = environment
        self.profile = profile
        self.unsigned = unsigned
        self.requesterPays = requesterPays
        profiles = ProfileFiles(environment: environment)

        let name = profile ?? setting("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        let settings: [String: String]
        do throws(IcecoreError) {
            settings = try profiles.settings(of: name)
        } catch {
            // Unsigned requests need no profile, so a broken one must not prevent them.
            guard unsigned, profile == nil else { throw error }
            settings = [:]
        }
        self.settings = settings
        profileName = name
        certificateBundle = (setting("AWS_CA_BUNDLE") ?? settings["ca_bundle"]).map {
            S3Configuration.file($0, environment)
        }

        let wantedRegion = region ?? setting("AWS_REGION", "AWS_DEFAULT_REGION") ?? settings["region"] ?? "us-east-1"
        guard S3Configuration.isRegion(wantedRegion) else {
            throw IcecoreError(.usage, "'\(Display.text(wantedRegion, limit: 100))' is not the name of a region")
        }
        self.region = wantedRegion

        let configured =
            endpointURL == nil
            ? try S3Configuration.configuredEndpoint(of: "s3", environment, settings, profiles) : nil
        if let url = endpointURL ?? configured {
            guard let endpoint = Endpoint(url) else {
                // The text itself may contain a password.
                throw IcecoreError(
                    .usage, "the endpoint URL is not of the form http[s]://HOST[:PORT] (a user name is not accepted)")
            }
            self.endpoint = endpoint
        } else {
            endpoint = nil
        }
        let style = try Addressing.setting(settings["s3.addressing_style"])
        self.addressing = addressing ?? style
        if addressing == .virtual, let endpoint, endpoint.isAddress {
            throw IcecoreError(
                .usage,
                "the endpoint \(endpoint.authority) is an IP address, below which there are no other hosts: "
                    + "virtual addressing needs a name")
        }
        func isTrue(_ text: String?) -> Bool { text?.lowercased() == "true" }
        isDualStack = isTrue(
            setting("AWS_USE_DUALSTACK_ENDPOINT") ?? settings["s3.use_dualstack_endpoint"]
                ?? settings["use_dualstack_endpoint"])
        isFIPS = isTrue(setting("AWS_USE_FIPS_ENDPOINT") ?? settings["use_fips_endpoint"])
        if isFIPS, endpoint == nil, !Partition.of(region: wantedRegion).hasFIPS {
            throw IcecoreError(.usage, "the region \(wantedRegion) has no FIPS endpoints (use_fips_endpoint)")
        }
    }

    /// The path of a file that a variable or a setting names. What is relative counts from PWD, for a daemon has left the
    /// directory in which it was started.
    static func file(_ path: String, _ environment: [String: String]) -> String {
        if path.hasPrefix("~/"), let home = environment["HOME"], !home.isEmpty { return home + path.dropFirst() }
        guard let directory = environment["PWD"], directory.hasPrefix("/") else { return Files.absolute(path) }
        return Files.absolute(path, in: directory)
    }

    /// Whether a bucket can be reached in this way.
    ///
    /// - Parameter bucket: a bucket's name, or the ARN of an access point.
    /// - Throws: `usage` if not.
    public func check(_ bucket: String) throws(IcecoreError) {
        guard AccessPoint.isARN(bucket) else { return }
        _ = try AccessPoint(arn: bucket)
        if addressing == .path || endpoint?.isAddress == true {
            throw IcecoreError(
                .usage, "an access point can only be named in the host (virtual addressing, of a host with a name)")
        }
    }

    /// The endpoint that the surroundings name for a service: `AWS_ENDPOINT_URL_<SERVICE>`, AWS_ENDPOINT_URL, the profile's
    /// section of services, the profile's `endpoint_url`; none if these are to be ignored.
    static func configuredEndpoint(
        of service: String, _ environment: [String: String], _ settings: [String: String], _ profiles: ProfileFiles
    ) throws(IcecoreError) -> String? {
        func setting(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let ignores = setting("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ?? settings["ignore_configured_endpoint_urls"]
        if ignores?.lowercased() == "true" { return nil }
        if let url = setting("AWS_ENDPOINT_URL_\(service.uppercased())") ?? setting("AWS_ENDPOINT_URL") { return url }
        if let section = settings["services"],
            let url = try profiles.settings(ofService: service, section: section)["endpoint_url"]
        {
            return url
        }
        return settings["endpoint_url"]
    }

    /// Whether this is a valid region name. A name that a server sends becomes part of a host name only if it is.
    static func isRegion(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
                    true
                default: false
                }
            }
    }

    /// Where the first request for a bucket goes, without a key: what tells buckets of one name on two servers apart.
    public func address(of bucket: String) -> String {
        let base = base(bucket: bucket, region: region)
        return base.origin + String(decoding: base.path, as: UTF8.self)
    }

    /// Where requests for a bucket go: the URL up to the key.
    ///
    /// - Parameters:
    ///   - bucket: a bucket's name, or the ARN of an access point.
    ///   - host: the host that the service has redirected this bucket to.
    func base(bucket: String, region: String, host: Endpoint? = nil) -> (origin: String, path: [UInt8]) {
        if AccessPoint.isARN(bucket), let point = try? AccessPoint(arn: bucket) {
            return base(point, host: host)
        }
        var path: [UInt8] = []
        func appendBucket() {
            path.append(UInt8(ascii: "/"))
            PercentEncoding.append(bucket.utf8, keepingSlashes: false, to: &path)
        }
        if let endpoint = host ?? endpoint {
            path.append(contentsOf: endpoint.path.utf8)
            if host == nil, addressing == .virtual, !endpoint.isAddress,
                S3Location.isHostName(bucket, isEncrypted: endpoint.scheme == "https")
            {
                return ("\(endpoint.scheme)://\(bucket).\(endpoint.authority)", path)
            }
            // A virtual host already has the bucket in its name.
            if host == nil || !endpoint.authority.hasPrefix("\(bucket).") { appendBucket() }
            return ("\(endpoint.scheme)://\(endpoint.authority)", path)
        }
        let service = serviceHost("s3", region: region)
        if addressing != .path, S3Location.isHostLabel(bucket) { return ("https://\(bucket).\(service)", path) }
        appendBucket()
        return ("https://\(service)", path)
    }

    /// An access point's name is always part of the host's.
    private func base(_ point: AccessPoint, host: Endpoint?) -> (origin: String, path: [UInt8]) {
        if let host { return ("\(host.scheme)://\(host.authority)", Array(host.path.utf8)) }
        if let endpoint {
            return ("\(endpoint.scheme)://\(point.label).\(endpoint.authority)", Array(endpoint.path.utf8))
        }
        return ("https://\(point.label).\(serviceHost("s3-accesspoint", region: point.region))", [])
    }

    private func serviceHost(_ service: String, region: String) -> String {
        "\(service)\(isFIPS ? "-fips" : "")\(isDualStack ? ".dualstack" : "").\(region.lowercased())."
            + Partition.of(region: region).domain
    }
}
