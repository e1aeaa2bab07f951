import Basics
import Model
import SQLite

/// A row of the table `entry`, as it is read or written. Its pointers are borrowed: from SQLite until the cursor moves,
/// or from the writer.
public struct EntryRow {
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: Int64
        public init(rawValue: Int64) { self.rawValue = rawValue }

        /// A delete marker.
        public static let marker = Flags(rawValue: 1)
        /// The ETag is known not to be the MD5 of anything (SSE-KMS, SSE-C).
        public static let opaque = Flags(rawValue: 2)
        /// A GET needs a restore first, according to the newest inventory that lists it.
        public static let archived = Flags(rawValue: 4)
        /// The blob was in the store when a sync committed.
        public static let present = Flags(rawValue: 8)
        /// The source has said that the content is gone for good.
        public static let gone = Flags(rawValue: 16)
        /// A sync requested the blob.
        public static let expected = Flags(rawValue: 32)
        /// A prune has dropped the content: no kept view shows the version.
        public static let pruned = Flags(rawValue: 64)
        /// The content was fetched for this version alone, even if others share its ETag.
        public static let filedByVersion = Flags(rawValue: 128)
        /// The source refuses the content; without `expected`: whatever credentials ask for it.
        public static let refused = Flags(rawValue: 256)
        /// The source calls the content archived, although no inventory has said so yet.
        public static let foundArchived = Flags(rawValue: 512)
        /// All headers, metadata and tags of the version are known: ``EntryRow/headers`` names them.
        public static let headersKnown = Flags(rawValue: 1024)

        /// What is said of a content that is not in the store, and does not hold once it is requested again.
        package static let absence: Flags = [.gone, .refused, .foundArchived]

        /// Where the content stands, as far as the index knows.
        public var state: ContentState {
            if contains(.present) { return .present }
            if contains(.pruned) { return .pruned }
            if contains(.gone) { return .gone }
            if contains(.refused) { return .refused }
            if contains(.foundArchived) || (contains(.archived) && !contains(.expected)) { return .archived }
            return contains(.expected) ? .missing : .unrequested
        }

        /// SQL for the rows that have all of some flags and none of others.
        package static func condition(all: Flags = [], none: Flags = []) -> String {
            "flags & \(all.union(none).rawValue) = \(all.rawValue)"
        }

        /// SQL for the rows whose blob was requested and is neither here nor gone for good: the index `missing`.
        package static let isWithoutBlob = condition(all: .expected, none: [.present, .gone])
        /// SQL for those among them that are not known to be archived. They make a snapshot incomplete.
        package static let isMissing = "\(isWithoutBlob) AND \(condition(none: .foundArchived))"
        /// SQL for the rows whose content is archived, refused, gone or pruned: the index `absent`.
        package static let isAbsent =
            "\(condition(none: .present)) AND flags & \(absence.union([.archived, .pruned]).rawValue) <> 0"
    }

    public var name: UnsafeRawBufferPointer
    public var slot: Int64 = 0
    public var flags: Flags = []
    /// When the version was current, in milliseconds: half-open; `from == Int64.max`: never, `to == Int64.max`: open.
    public var valid = TimeSpan(.max, .max)
    /// Ids of snapshots, half-open in their order; `from == 0`: none, `to == 0`: open.
    public var seenFrom: Int64 = 0
    public var seenTo: Int64 = 0
    public var listedFrom: Int64 = 0
    public var listedTo: Int64 = 0
    /// The id of the directory that the row stands for; 0 for a version.
    public var child: Int64 = 0
    public var size: Int64 = 0
    public var lastModified = Timestamp(milliseconds: 0)
    /// Empty if `versionIsUnknown`.
    public var versionId = UnsafeRawBufferPointer(start: nil, count: 0)
    public var versionIsUnknown = false
    /// 16 or 20 bytes, or with `etagIsText` the verbatim text; empty for markers and directories.
    public var etag = UnsafeRawBufferPointer(start: nil, count: 0)
    public var etagIsText = false
    /// The id of the version's header set; 0: nothing but bytes, or nothing known of them (``Flags/headersKnown`` tells).
    public var headers: Int64 = 0

    public init(name: UnsafeRawBufferPointer) {
        self.name = name
    }

    public var isDirectory: Bool { child != 0 }
    public var isMarker: Bool { flags.contains(.marker) }

    /// The ETag as a value; nil for markers and directories.
    public var etagValue: ETag? {
        if etagIsText { return ETag(Array(etag)) }
        guard etag.count >= 16 else { return nil }
        return ETag(
            high: UInt64(bigEndian: etag.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: etag.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            parts: etag.count >= 20 ? UInt32(bigEndian: etag.loadUnaligned(fromByteOffset: 16, as: UInt32.self)) : 0)
    }

    /// What identifies the version.
    public var identity: VersionIdentity {
        VersionIdentity(
            versionId: versionIsUnknown ? nil : Array(versionId), lastModified: lastModified, etag: etagValue,
            size: size)
    }

    /// The columns in the order of ``init(_:)``, but for the last one.
    fileprivate static let columns = """
        name, slot, flags, validFrom, validTo, seenFrom, seenTo, listedFrom, listedTo, child, size, lastModified, \
        versionId, etag
        """
    fileprivate static let briefColumns = """
        name, NULL, flags, validFrom, validTo, seenFrom, seenTo, NULL, NULL, child, size, lastModified, NULL, NULL
        """
    package static let directoryColumn: Int32 = 15

    /// Reads the current row of a statement over ``columns``.
    @inline(__always)
    package init(_ statement: Statement) {
        // Each column is accessed once: SQLite's accessors by column cost about as much as the rest of a scan.
        name = statement.value(0).bytes
        slot = statement.value(1).integer
        flags = Flags(rawValue: statement.value(2).integer)
        let (validFrom, validTo) = (statement.value(3), statement.value(4))
        valid.from = validFrom.isNull ? .max : validFrom.integer
        valid.to = validTo.isNull ? .max : validTo.integer
        // Ids count from 1, and SQLite returns 0 for NULL.
        seenFrom = statement.value(5).integer
        seenTo = statement.value(6).integer
        listedFrom = statement.value(7).integer
        listedTo = statement.value(8).integer
        child = statement.value(9).integer
        if child == 0 {
            size = statement.value(10).integer
            let time = statement.value(11)
            lastModified = Timestamp(milliseconds: time.isNull ? valid.from : time.integer)
            let version = statement.value(12)
            versionIsUnknown = version.isNull
            versionId = version.bytes
            let tag = statement.value(13)
            etagIsText = tag.isText
            etag = tag.bytes
            // NULL reads as 0.
            headers = statement.value(14).integer
        }
    }
}

extension Connection {
    /// What to select of `entry` for ``EntryRow/init(_:)``.
    ///
    /// - Parameters:
    ///   - withDirectory: and after that the row's directory.
    ///   - isBrief: without what a scan does not ask of a row: its slot, version id, ETag, headers and the snapshots that
    ///     list it read as nothing. To take a column out of a row costs SQLite as much as most of what is done with it.
    package func entryColumns(
        withDirectory: Bool = false, isBrief: Bool = false
    ) throws(IcecoreError) -> String {
        let columns = isBrief ? EntryRow.briefColumns : EntryRow.columns
        let hasHeaders = try isBrief ? false : knowsHeaders()
        let headers = hasHeaders ? "headers" : "NULL"
        return "\(columns), \(headers)\(withDirectory ? ", directory" : "")"
    }
}
