import Basics

/// The scheme and the host (and port, and path) of an S3 service.
struct Endpoint: Hashable, Sendable {
    /// `http` or `https`.
    let scheme: String
    /// Host and port as they stand in a URL, lower case.
    let authority: String
    /// What comes before the bucket in a path: empty, or beginning and not ending with `/`.
    let path: String

    /// Reads `http[s]://host[:port][/path]`. User names, queries and fragments have no business in it.
    init?(_ text: String) {
        guard let colon = text.firstRange(of: "://"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            return nil
        }
        scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { return nil }
        let rest = text[colon.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = rest[..<slash].lowercased()
        guard !authority.isEmpty, authority.utf8.allSatisfy(Endpoint.isHostCharacter), !rest.contains("?"),
            !rest.contains("#"), !rest.contains("%"), !rest.contains("\\"), !rest.contains("\"")
        else { return nil }
        var path = rest[slash...]
        while path.hasSuffix("/") { path.removeLast() }
        self.path = String(path)
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    /// The host without its port.
    var host: String {
        if authority.hasPrefix("[") { return String(authority.prefix { $0 != "]" }.dropFirst()) }
        return String(authority.prefix { $0 != ":" })
    }

    /// The port, by default that of the scheme.
    var port: Int {
        let rest = authority.dropFirst(authority.hasPrefix("[") ? host.utf8.count + 2 : host.utf8.count)
        return Int(rest.dropFirst()) ?? (scheme == "https" ? 443 : 80)
    }

    var description: String { "\(scheme)://\(authority)\(path)" }

    /// The DNS suffix of the partition that a region is in.
    static func suffix(ofRegion region: String) -> String {
        if region.hasPrefix("cn-") { return "amazonaws.com.cn" }
        if region.hasPrefix("us-isob-") { return "sc2s.sgov.gov" }
        if region.hasPrefix("us-iso-") { return "c2s.ic.gov" }
        return "amazonaws.com"
    }
}

/// Where S3 is and how to speak to it: everything but the bucket and the secrets.
public struct S3Configuration: Sendable {
    /// The region to sign for unless a bucket turns out to be in another.
    public let region: String
    let endpoint: Endpoint?
    /// The profile that was named on the command line.
    public let profile: String?
    /// Never signs, whatever credentials there are.
    public let unsigned: Bool
    /// The requester pays for requests and traffic (`x-amz-request-payer`).
    public let requesterPays: Bool
    /// A file of certificates to trust in place of the system's (AWS_CA_BUNDLE).
    let certificateBundle: String?
    let environment: [String: String]
    let profiles: ProfileFiles

    /// - Parameters:
    ///   - region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's, `us-east-1`.
    ///   - endpointURL: else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's `endpoint_url`, AWS itself. With one,
    ///     addressing is path style.
    ///   - profile: else AWS_PROFILE, AWS_DEFAULT_PROFILE, `default`.
    ///   - environment: what stands in for the process's environment.
    public init(
        region: String? = nil, endpointURL: String? = nil, profile: String? = nil, unsigned: Bool = false,
        requesterPays: Bool = false, environment: [String: String]
    ) throws(IcecoreError) {
        func setting(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        self.environment = environment
        self.profile = profile
        self.unsigned = unsigned
        self.requesterPays = requesterPays
        certificateBundle = setting("AWS_CA_BUNDLE")
        profiles = ProfileFiles(environment: environment)

        // Unsigned requests need no profile, so a broken one must not stand in their way.
        let name = profile ?? setting("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
        let settings = unsigned && profile == nil ? [:] : try profiles.settings(of: name)

        let wantedRegion = region ?? setting("AWS_REGION", "AWS_DEFAULT_REGION") ?? settings["region"] ?? "us-east-1"
        guard S3Configuration.isRegion(wantedRegion) else {
            throw IcecoreError(.usage, "'\(Display.text(wantedRegion, limit: 100))' is not the name of a region")
        }
        self.region = wantedRegion

        let ignoresConfigured = environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.lowercased() == "true"
        let configured =
            ignoresConfigured ? nil : setting("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") ?? settings["endpoint_url"]
        if let url = endpointURL ?? configured {
            guard let endpoint = Endpoint(url) else {
                // The text itself may hold a password.
                throw IcecoreError(
                    .usage, "the endpoint URL is not of the form http[s]://HOST[:PORT] (a user name is not accepted)")
            }
            self.endpoint = endpoint
        } else {
            endpoint = nil
        }
    }

    /// Whether a region can have this name. What a server says becomes part of a host name only if this holds.
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

    /// Where requests for a bucket go: everything of the URL that comes before the key.
    ///
    /// - Parameter host: a host that the service has redirected this bucket to.
    func base(bucket: String, region: String, host: Endpoint? = nil) -> (origin: String, path: [UInt8]) {
        var path: [UInt8] = []
        if let endpoint = host ?? endpoint {
            path.append(contentsOf: endpoint.path.utf8)
            // A redirection to a virtual host has the bucket in its name already.
            if host == nil || !endpoint.authority.hasPrefix("\(bucket).") {
                path.append(UInt8(ascii: "/"))
                PercentEncoding.append(bucket.utf8, keepingSlashes: false, to: &path)
            }
            return ("\(endpoint.scheme)://\(endpoint.authority)", path)
        }
        let service = "s3.\(region.lowercased()).\(Endpoint.suffix(ofRegion: region))"
        if S3Location.isHostLabel(bucket) { return ("https://\(bucket).\(service)", path) }
        path.append(UInt8(ascii: "/"))
        PercentEncoding.append(bucket.utf8, keepingSlashes: false, to: &path)
        return ("https://\(service)", path)
    }
}
