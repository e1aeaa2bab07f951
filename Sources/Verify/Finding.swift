import Basics
import Index

/// Something that is not as it should be.
public struct Finding: Sendable {
    public enum Kind: String, Sendable {
        /// Not what it must be.
        case damaged
        /// Cannot be looked at by this process.
        case unreadable
        /// Was asked for, and is not there.
        case missing
        /// Nothing that belongs into a store.
        case foreign
        /// Could not be had again.
        case lost
    }

    public var kind: Kind
    /// Relative to the store.
    public var path: String
    /// Without a subject: `has another MD5`.
    public var reason: String
    /// A version that needs it, where one is known.
    public var key: [UInt8]?
    public var versionId: [UInt8]?
    public var lastModified: Timestamp?

    init(_ kind: Kind, _ path: String, _ reason: String, _ version: LostContents.Version? = nil) {
        self.kind = kind
        self.path = path
        self.reason = reason
        key = version?.key
        versionId = version?.versionId
        lastModified = version?.lastModified
    }
}

/// What a verification is asked to do.
public struct VerifyOptions: Sendable {
    /// The share of the blobs to look at, drawn anew each time; nil: all.
    public var sample: Double?
    /// What was verified at this time or later is passed over.
    public var since: Timestamp?
    /// Bytes a second; nil: as fast as it goes.
    public var rate: Int64?
    /// Blobs are not looked at.
    public var indexOnly = false
    /// The most requests in flight, for a repair.
    public var jobs = 64

    public init() {}
}

/// How far a verification has come.
public enum VerifyProgress: Sendable {
    case index
    case inventories(done: Int, of: Int)
    /// The fraction of all, blobs and bytes read, findings.
    case blobs(fraction: Double, blobs: Int64, bytes: Int64, findings: Int)
    case rows(Int64)
    case fetching(objects: Int, bytes: Int64, failed: Int)
}

/// Where a verification says what it does and finds; all calls come from one thread.
public protocol VerifyReporter {
    func progress(_ progress: VerifyProgress)
    func note(_ text: String)
    func warning(_ text: String)
    func finding(_ finding: Finding) throws
}

/// What a verification came to.
public struct VerifyOutcome: Sendable {
    public var blobs: Int64 = 0
    public var bytes: Int64 = 0
    /// Rows of the index.
    public var rows: Int64 = 0
    /// Files that are not what they must be, or cannot be read.
    public var damaged = 0
    public var missing = 0
    public var foreign = 0
    public var indexIsDamaged = false
    /// Only for a repair: contents that came; versions whose content may come yet, and whose content nobody has any more.
    public var repaired = 0
    public var stillMissing = 0
    public var lost = 0
    public var quarantined = 0
}
