import S3

/// How to reach a replica.
public struct ReplicaOptions: Sendable {
    public var region: String?
    public var endpointURL: String?
    /// Nil for what suits the server.
    public var addressing: Addressing?
    public var profile: String?
    public var noSignRequest = false
    /// The most requests in flight.
    public var jobs = 64
    /// Bytes a second; nil: as many as there can be.
    public var limitRate: Int64?
    /// Of the process.
    public var environment: [String: String]

    public init(environment: [String: String]) {
        self.environment = environment
    }

    /// A client for the replica's server.
    func client() throws -> S3Client {
        var loopOptions = TransferLoop.Options()
        loopOptions.bandwidthLimit = limitRate
        return S3Client(try configuration(), loopOptions: loopOptions)
    }

    /// How to reach that server.
    func configuration() throws -> S3Configuration {
        try S3Configuration(
            region: region, endpointURL: endpointURL, addressing: addressing, profile: profile,
            unsigned: noSignRequest, environment: environment)
    }
}
