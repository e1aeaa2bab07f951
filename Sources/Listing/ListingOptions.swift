import Basics
import S3

/// What is listed, and how.
public struct ListingOptions: Sendable {
    /// The bucket as requests name it: its name, or the ARN of an access point.
    public var bucket: String
    /// Its name, as the inventory has it.
    public var listedBucket: String
    /// The most requests in flight.
    public var jobs = 64
    /// Keys at even distances, in order, by which the listing is divided; may be empty.
    public var keys: [[UInt8]] = []
    /// How many rows are expected; nil if nobody knows.
    public var expectedRows: Int?
    /// The call to begin with.
    public var call = S3ListingCall.versions
    /// Whether the server is likely to know it: then no request waits for the answer to the first.
    public var isCallCertain = false

    public init(bucket: String, listedBucket: String) {
        self.bucket = bucket
        self.listedBucket = listedBucket
    }
}

/// How far a listing is, or how it went.
public struct ListingProgress: Sendable {
    /// Rows listed by this process, and those that an earlier one had listed.
    public var rows = 0
    public var earlierRows = 0
    /// How many rows are expected in all; nil if nobody knows.
    public var expectedRows: Int?
    /// Requests made, retries included, and bytes of answers.
    public var requests = 0
    public var retries = 0
    public var bytes: Int64 = 0
    public var inFlight = 0
    /// How long this process has listed.
    public var milliseconds: Int64 = 0
    /// The call that was used.
    public var call = S3ListingCall.versions

    public init() {}
}
