import Basics

/// One parsed row of an inventory: values of fixed size, and where the variable ones lie in the batch's bytes.
public struct InventoryRow: Sendable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The inventory marks the row as latest (always set if the report has no IsLatest column).
        public static let latest = Flags(rawValue: 1)
        /// The row is a delete marker. Its size is 0 and its ETag empty, whatever the report says.
        public static let marker = Flags(rawValue: 2)
        /// The report has no VersionId column, so the version's id is unknown (not the same as `null`).
        public static let unknownVersion = Flags(rawValue: 4)
        /// The ETag is not an MD5: EncryptionStatus says SSE-KMS, DSSE-KMS or SSE-C.
        public static let opaque = Flags(rawValue: 8)
        /// The StorageClass (or Intelligent-Tiering access tier) is an archive: a GET needs a restore first.
        public static let archived = Flags(rawValue: 16)
        /// `etagParts`, `etagHigh` and `etagLow` are unused: the ETag is in the batch's bytes, verbatim.
        public static let verbatimETag = Flags(rawValue: 32)
    }

    /// The most bytes of a key: S3's own limit. It also bounds the depth of directories.
    static let longestKey = 1024
    static let longestETag = 255
    /// S3's own limit.
    static let longestVersionId = 1024

    /// The ETag of an object in a report without the column. None that a report has can look like this, because
    /// quotation marks enclose ETags.
    public static let unknownETag = Array("\"unknown\"".utf8)

    /// Where the decoded key begins in the batch's bytes, and its length in bytes. Valid UTF-8, never empty.
    public var keyOffset: UInt32
    public var keyLength: UInt32
    /// The version id's bytes (`null` if the report says so or leaves the field empty; length 0 if unknown).
    public var versionOffset: UInt32
    public var versionLength: UInt32
    /// The ETag's bytes, without quotation marks, if `flags` has `verbatimETag`; else length 0.
    public var etagOffset: UInt32
    public var etagLength: UInt32
    /// The first and the last 8 bytes of an ETag of 32 hexadecimal digits, big-endian.
    public var etagHigh: UInt64
    public var etagLow: UInt64
    /// N of `…-N` (a multipart ETag); 0 for a plain one.
    public var etagParts: UInt32
    public var flags: Flags
    /// Bytes; 0 for a marker.
    public var size: Int64
    public var lastModified: Timestamp
    /// Where the row is, for error messages: its list file's index in the manifest, and its line there, counted from 1.
    public var file: UInt32
    public var line: UInt32
}
