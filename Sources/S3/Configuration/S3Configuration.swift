import Basics

/// Where S3 is and how to access it: everything but the bucket and the secrets.
public struct S3Configuration: Sendable {
    /// The region to sign for, unless a bucket turns out to be in another.
    public let region: String
    let endpoint: Endpoint?
    /// The profile that was named on the command line.
    public let profile: String?
    /// Never signs, even if there are credentials.
    public let unsigned: Bool
    /// The requester pays for requests and traffic (`x-amz-request-payer`).
    public let requesterPays: Bool
    /// A file of certificates to trust instead of the system's (AWS_CA_BUNDLE).
    let certificateBundle: String?
    let environment: [String: String]
    let profiles: ProfileFiles

    /// - Parameters:
    ///   - region: else AWS_REGION, AWS_DEFAULT_REGION, the profile's, `us-east-1`.
    ///   - endpointURL: else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's `endpoint_url`, AWS itself. With one,
    ///     addressing is path style.
    ///   - profile: else AWS_PROFILE, AWS_DEFAULT_PROFILE, `default`.
    ///   - environment: used instead of the process's environment.
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

        // Unsigned requests need no profile, so a broken one must not prevent them.
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
                // The text itself may contain a password.
                throw IcecoreError(
                    .usage, "the endpoint URL is not of the form http[s]://HOST[:PORT] (a user name is not accepted)")
            }
            self.endpoint = endpoint
        } else {
            endpoint = nil
        }
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

    /// Where requests for a bucket go: the URL up to the key.
    ///
    /// - Parameter host: the host that the service has redirected this bucket to.
    func base(bucket: String, region: String, host: Endpoint? = nil) -> (origin: String, path: [UInt8]) {
        var path: [UInt8] = []
        if let endpoint = host ?? endpoint {
            path.append(contentsOf: endpoint.path.utf8)
            // A virtual host already has the bucket in its name.
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
