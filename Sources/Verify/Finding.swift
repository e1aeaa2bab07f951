import Basics
import Index
import Model

/// Something that is not as it should be.
public struct Finding: Sendable {
    public enum Kind: String, Sendable {
        /// Not what it must be.
        case damaged
        /// This process cannot read it.
        case unreadable
        /// Expected by the index, and not there.
        case missing
        /// Does not belong in a store.
        case foreign
        /// Still missing after a repair.
        case unrepaired = "lost"
    }

    public var kind: Kind
    /// Relative to the store.
    public var path: String
    /// A sentence without a subject: `has another MD5`.
    public var reason: String
    /// Of a file that holds several contents, which one is meant, if that is known.
    public var blob: BlobName?
    /// A version that needs it, if one is known.
    public var key: [UInt8]?
    public var versionId: [UInt8]?
    public var lastModified: Timestamp?

    init(
        _ kind: Kind, _ path: String, _ reason: String, _ version: MissingContents.Occurrence? = nil,
        blob: BlobName? = nil
    ) {
        self.kind = kind
        self.path = path
        self.reason = reason
        self.blob = blob
        key = version?.key
        versionId = version?.versionId
        lastModified = version?.lastModified
    }
}
