import Basics

/// What a verification should do.
public struct VerifyOptions: Sendable {
    /// The share of the blobs to check, chosen at random each time; nil: all.
    public var sample: Double?
    /// What was verified at this time or later is skipped.
    public var since: Timestamp?
    /// Bytes per second; nil: no limit.
    public var rate: Int64?
    /// Blobs are not checked.
    public var indexOnly = false
    /// In a repair, the source is believed even if it denies most of the contents.
    public var acceptGone = false
    /// The most requests in flight during a repair.
    public var jobs = 64

    public init() {}
}
