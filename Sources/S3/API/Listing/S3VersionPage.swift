import Basics

/// One answer of ListObjectVersions, ListObjectsV2 or ListObjects, as bytes: nothing is made for a single version.
///
/// Where a server does not list objects by version, each is a latest version without an id.
public final class S3VersionPage: @unchecked Sendable {
    // It is filled by one thread, and only read from then on.

    /// A version, a delete marker or an object.
    public struct Row: Sendable {
        public internal(set) var key = TextSpan.empty
        /// As the server writes it: `null` for a null version; empty where there are no versions.
        public internal(set) var versionId = TextSpan.empty
        /// Without the quotation marks around it.
        public internal(set) var etag = TextSpan.empty
        public internal(set) var storageClass = TextSpan.empty
        public internal(set) var size: Int64 = 0
        public internal(set) var lastModified = Timestamp.distantPast
        public internal(set) var isLatest = false
        public internal(set) var isMarker = false
    }

    /// The most bytes of an answer: a thousand entries of the longest keys, all of it encoded, are not half of that.
    public static let largestAnswer = 8 << 20

    /// In the order of their keys, and for a key in the server's order.
    public let rows: [Row]
    /// They are objects, not versions.
    public let isOfObjects: Bool
    /// The answer has what only ListObjectsV2 says.
    public let isOfSecondVersion: Bool
    public let isTruncated: Bool
    /// Where the server says that the next page begins; empty if it does not.
    let nextKey: TextSpan
    let nextVersionId: TextSpan
    let nextToken: TextSpan
    /// Keys came percent-encoded.
    let isEncoded: Bool
    private let content: [UInt8]

    /// Reads an answer.
    ///
    /// - Throws: `invalidData` for anything that is not one, or lists keys in no order.
    public init(xml: [UInt8]) throws {
        guard xml.count <= S3VersionPage.largestAnswer else {
            throw S3ListPage.damaged("a page has more than \(S3VersionPage.largestAnswer >> 20) MiB")
        }
        var content = xml
        let found = try content.withUnsafeMutableBufferPointer { bytes in
            var scanner = ListingScanner(bytes)
            return try scanner.read()
        }
        let rows = try content.withUnsafeBytes { try S3VersionPage.ordered(found.rows, $0) }
        self.rows = rows
        isOfObjects = found.isOfObjects
        isOfSecondVersion = found.isOfSecondVersion
        isTruncated = found.isTruncated
        nextKey = found.nextKey
        nextVersionId = found.nextVersionId
        nextToken = found.nextToken
        isEncoded = found.isEncoded
        self.content = content
    }

    /// Copies some rows, so that the rest of the page need not be kept.
    public func excerpt(_ places: Range<Int>) -> S3VersionPage {
        var bytes: [UInt8] = []
        var key = (own: TextSpan.empty, copy: TextSpan.empty)
        func move(_ span: TextSpan) -> TextSpan {
            let start = bytes.count
            bytes += copy(span)
            return TextSpan(start: UInt32(truncatingIfNeeded: start), count: span.count)
        }
        let copies = rows[places].map { row in
            var row = row
            // Copies are made of keys that have many versions.
            let isSame = withBytes { row.key.bytes(in: $0).isEqual(to: key.own.bytes(in: $0)) }
            if !isSame { key = (row.key, move(row.key)) }
            row.key = key.copy
            row.versionId = move(row.versionId)
            row.etag = move(row.etag)
            row.storageClass = move(row.storageClass)
            return row
        }
        return S3VersionPage(copies, bytes, of: self)
    }

    private init(_ rows: [Row], _ content: [UInt8], of page: S3VersionPage) {
        self.rows = rows
        self.content = content
        isOfObjects = page.isOfObjects
        isOfSecondVersion = page.isOfSecondVersion
        isTruncated = false
        isEncoded = false
        nextKey = .empty
        nextVersionId = .empty
        nextToken = .empty
    }

    /// The bytes that spans are stretches of.
    @inline(__always)
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try content.withUnsafeBytes(body)
    }

    /// A copy of what a span stands for.
    public func copy(_ span: TextSpan) -> [UInt8] {
        content.withUnsafeBytes { Array(span.bytes(in: $0)) }
    }

    /// Rows in the order of their keys. Some servers list all versions first and then all delete markers.
    private static func ordered(_ rows: [Row], _ bytes: UnsafeRawBufferPointer) throws -> [Row] {
        func isOrdered(_ rows: [Row]) -> Bool {
            var last = UnsafeRawBufferPointer(start: nil, count: 0)
            for row in rows {
                let key = row.key.bytes(in: bytes)
                if key.precedes(last) { return false }
                last = key
            }
            return true
        }
        if isOrdered(rows) { return rows }
        let versions = rows.filter { !$0.isMarker }
        let markers = rows.filter(\.isMarker)
        guard isOrdered(versions), isOrdered(markers) else {
            throw S3ListPage.damaged("it is not in the order of the keys' bytes")
        }
        var merged: [Row] = []
        merged.reserveCapacity(rows.count)
        var place = 0
        for version in versions {
            while place < markers.count, markers[place].key.bytes(in: bytes).precedes(version.key.bytes(in: bytes)) {
                merged.append(markers[place])
                place += 1
            }
            merged.append(version)
        }
        return merged + markers[place...]
    }
}
