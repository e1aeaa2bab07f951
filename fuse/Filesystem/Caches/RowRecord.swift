import Index
import Model

/// What a mount often needs of a row: its file's attributes and its content's name.
struct RowRecord {
    struct Flags: OptionSet {
        let rawValue: UInt16
        static let marker = Flags(rawValue: 1)
        static let hasETag = Flags(rawValue: 2)
        /// The ETag does not fit: ask the index.
        static let verbatimETag = Flags(rawValue: 4)
        /// The content is filed under a name of this version alone: ask the index.
        static let filedByVersion = Flags(rawValue: 8)
    }

    var node: UInt64 = 0
    var size: Int64 = 0
    /// Milliseconds.
    var lastModified: Int64 = 0
    var etagHigh: UInt64 = 0
    var etagLow: UInt64 = 0
    var etagParts: UInt32 = 0
    var flags: Flags = []
    /// Bytes of the name that follows the record in the cache.
    var nameCount: UInt16 = 0

    init() {}

    @inline(__always)
    init(_ row: borrowing EntryRow, node: UInt64) {
        self.node = node
        size = max(0, row.size)
        lastModified = row.lastModified.milliseconds
        if row.isMarker { flags.insert(.marker) }
        if row.flags.contains(.filedByVersion) { flags.insert(.filedByVersion) }
        if row.etagIsText {
            flags.insert(.verbatimETag)
        } else if row.etag.count >= 16 {
            flags.insert(.hasETag)
            etagHigh = UInt64(bigEndian: row.etag.loadUnaligned(as: UInt64.self))
            etagLow = UInt64(bigEndian: row.etag.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            if row.etag.count >= 20 {
                etagParts = UInt32(bigEndian: row.etag.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
            }
        }
    }

    /// Tells a file from one that has got its number since, as in an index that was rebuilt: what a file handle was made
    /// for. The kernel keeps 32 bits.
    @inline(__always)
    var generation: UInt64 {
        let mixed =
            (UInt64(bitPattern: lastModified) ^ etagHigh) &* 0x9e37_79b9_7f4a_7c15
            ^ (UInt64(bitPattern: size) ^ etagLow) &* 0xc2b2_ae3d_27d4_eb4f
        return (mixed >> 33)
    }

    /// The ETag that the content is filed under; nil if there is none, or only the index has it.
    var etag: ETag? {
        guard flags.contains(.hasETag), !flags.contains(.filedByVersion) else { return nil }
        return ETag(high: etagHigh, low: etagLow, parts: etagParts)
    }
}
