import Basics
import Download
import S3
import Store

/// Where a view is restored to: a prefix of a bucket, and how to reach it.
public struct RestoreTarget: Sendable {
    public let location: S3Location
    let client: S3Client
    /// The target is the bucket that the store keeps.
    public let isOwnBucket: Bool
    /// It has the name of that bucket, so it may be the same, by another address of the server.
    let hasOwnName: Bool
    /// The server does what AWS's documentation says.
    let isAmazon: Bool

    /// How to reach a bucket; what is not given comes from the environment and the profile.
    public struct Access: Sendable {
        public var region: String?
        public var endpointURL: String?
        /// Nil for what suits the server.
        public var addressing: Addressing?
        public var profile: String?
        public var noSignRequest = false
        /// Bytes a second.
        public var limitRate: Int64?
        /// Of the process.
        public var environment: [String: String]

        public init(environment: [String: String]) {
            self.environment = environment
        }

        var isGiven: Bool {
            region != nil || endpointURL != nil || addressing != nil || profile != nil || noSignRequest
        }
    }

    /// - Parameters:
    ///   - text: `s3://BUCKET/PREFIX`; the prefix is a folder, so it gets a `/` at its end.
    ///   - access: if nothing of it is given, the store's own bucket is reached as the store reaches it.
    public init(_ text: String, _ access: Access, for store: Store) throws {
        var location = try S3Location(text)
        if let last = location.key.last, last != UInt8(ascii: "/") { location.key.append(UInt8(ascii: "/")) }
        self.location = location
        var options = TransferLoop.Options()
        options.bandwidthLimit = access.limitRate
        // A copy inside S3 may take minutes before anything is heard of it.
        options.stallTimeout = 120
        let own = try S3Client(store, environment: access.environment, loopOptions: options)
        hasOwnName = location.bucket == store.configuration.bucket
        if hasOwnName, !access.isGiven {
            client = own
        } else {
            client = S3Client(
                try S3Configuration(
                    region: access.region, endpointURL: access.endpointURL, addressing: access.addressing,
                    profile: access.profile, unsigned: access.noSignRequest, environment: access.environment),
                loopOptions: options)
        }
        try client.configuration.check(location.bucket)
        let server = client.server(of: location.bucket)
        // At AWS, a name belongs to one bucket, whatever the region.
        isAmazon = client.configuration.isAmazon
        isOwnBucket =
            hasOwnName
            && (isAmazon ? own.configuration.isAmazon : server == own.server(of: location.bucket))
    }

    var bucket: String { location.bucket }
    var prefix: [UInt8] { location.key }

    /// What a store calls its records of this target: a digest of where it is.
    var recordsId: String {
        let place = "\(isAmazon ? "aws" : client.server(of: bucket))\n\(bucket)\n"
        return String(Hex.encode(SHA256.digest(Array(place.utf8) + prefix)).prefix(32))
    }
}

extension RestoreTarget: CustomStringConvertible {
    public var description: String { location.description }
}
