import Basics

/// The status of an answer, and those of its headers that Icecore uses.
///
/// Headers are stored as bytes and become strings only on demand, because most are never looked at.
public struct S3ResponseHead: Sendable {
    /// The headers that are kept.
    public enum HeaderField: UInt8, CaseIterable, Sendable {
        case contentLength, contentRange, contentType, contentEncoding, etag, lastModified, location, retryAfter
        case versionId, deleteMarker, serverSideEncryption, customerAlgorithm, partsCount, bucketRegion, storageClass
        case requestId, date, cacheControl, contentDisposition, contentLanguage, expires, redirectLocation, taggingCount
        case checksumType, checksumCRC64NVME, checksumCRC32C, checksumCRC32, checksumSHA256, checksumSHA1

        var name: StaticString {
            switch self {
            case .contentLength: "content-length"
            case .contentRange: "content-range"
            case .contentType: "content-type"
            case .contentEncoding: "content-encoding"
            case .etag: "etag"
            case .lastModified: "last-modified"
            case .location: "location"
            case .retryAfter: "retry-after"
            case .versionId: "x-amz-version-id"
            case .deleteMarker: "x-amz-delete-marker"
            case .serverSideEncryption: "x-amz-server-side-encryption"
            case .customerAlgorithm: "x-amz-server-side-encryption-customer-algorithm"
            case .partsCount: "x-amz-mp-parts-count"
            case .bucketRegion: "x-amz-bucket-region"
            case .storageClass: "x-amz-storage-class"
            case .requestId: "x-amz-request-id"
            case .date: "date"
            case .cacheControl: "cache-control"
            case .contentDisposition: "content-disposition"
            case .contentLanguage: "content-language"
            case .expires: "expires"
            case .redirectLocation: "x-amz-website-redirect-location"
            case .taggingCount: "x-amz-tagging-count"
            case .checksumType: "x-amz-checksum-type"
            case .checksumCRC64NVME: "x-amz-checksum-crc64nvme"
            case .checksumCRC32C: "x-amz-checksum-crc32c"
            case .checksumCRC32: "x-amz-checksum-crc32"
            case .checksumSHA256: "x-amz-checksum-sha256"
            case .checksumSHA1: "x-amz-checksum-sha1"
            }
        }
    }

    /// Where one header lies in `bytes`.
    private struct FieldRange {
        /// nil for an `x-amz-meta-` header.
        var header: HeaderField?
        var name: Range<Int>
        var value: Range<Int>
    }

    /// The HTTP status; 0 before there is one.
    public private(set) var status = 0
    private var bytes: [UInt8] = []
    private var fields: [FieldRange] = []

    /// More than S3 allows (8 KiB of headers, 2 KiB of them metadata), but not enough to do harm.
    private static let limit = 65536
    private static let metadataPrefix = Array("x-amz-meta-".utf8)
    /// The known names by their length.
    private static let headersByLength: [[(header: HeaderField, name: [UInt8])]] = {
        var table = [[(header: HeaderField, name: [UInt8])]](repeating: [], count: 48)
        for header in HeaderField.allCases {
            let name = header.name.withUTF8Buffer { Array($0) }
            table[name.count].append((header, name))
        }
        return table
    }()

    init() {}

    /// Takes one line as received. False if it is not HTTP, or the headers are too long.
    mutating func add(line: UnsafeRawBufferPointer) -> Bool {
        var line = line
        while let last = line.last, last == 0x0d || last == 0x0a { line = .init(rebasing: line.dropLast()) }
        if line.count >= 12, line[0] == UInt8(ascii: "H"), line[1] == UInt8(ascii: "T"), line[4] == UInt8(ascii: "/") {
            return begin(statusLine: line)
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return true }
        var start = colon + 1
        while start < line.count, line[start] == 0x20 || line[start] == 0x09 { start += 1 }
        var end = line.count
        while end > start, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
        let value = UnsafeRawBufferPointer(rebasing: line[start..<end])
        if name.count < Self.headersByLength.count {
            for candidate in Self.headersByLength[name.count] where Self.equal(name, candidate.name[...]) {
                return keep(candidate.header, name: nil, value)
            }
        }
        if name.count > Self.metadataPrefix.count,
            Self.equal(UnsafeRawBufferPointer(rebasing: name[..<Self.metadataPrefix.count]), Self.metadataPrefix[...])
        {
            return keep(nil, name: UnsafeRawBufferPointer(rebasing: name[Self.metadataPrefix.count...]), value)
        }
        return true
    }

    private mutating func begin(statusLine line: UnsafeRawBufferPointer) -> Bool {
        guard let space = line.firstIndex(of: 0x20), space + 4 <= line.count else { return false }
        var number = 0
        for digit in line[space + 1..<space + 4] {
            guard digit >= 48, digit <= 57 else { return false }
            number = number * 10 + Int(digit - 48)
        }
        reset()
        status = number
        return true
    }

    mutating func reset() {
        status = 0
        bytes.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
    }

    private mutating func keep(_ header: HeaderField?, name: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer)
        -> Bool
    {
        guard bytes.count + value.count + (name?.count ?? 0) <= Self.limit, fields.count < 512 else { return false }
        let nameStart = bytes.count
        if let name {
            for byte in name { bytes.append(byte | (byte >= 0x41 && byte <= 0x5a ? 0x20 : 0)) }
        }
        let valueStart = bytes.count
        bytes.append(contentsOf: value)
        fields.append(FieldRange(header: header, name: nameStart..<valueStart, value: valueStart..<bytes.count))
        return true
    }

    @inline(__always)
    private static func equal(_ name: UnsafeRawBufferPointer, _ lowercase: ArraySlice<UInt8>) -> Bool {
        guard name.count == lowercase.count else { return false }
        for (byte, wanted) in zip(name, lowercase) {
            let folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
            if folded != wanted { return false }
        }
        return true
    }

    /// The bytes of a header's value; of the first if it occurs more than once.
    func valueBytes(_ header: HeaderField) -> ArraySlice<UInt8>? {
        for field in fields where field.header == header { return bytes[field.value] }
        return nil
    }

    /// A header's value; the first if it occurs more than once.
    public func value(_ header: HeaderField) -> String? {
        valueBytes(header).map(Self.text)
    }

    /// A value as text. What is not UTF-8 is in Latin-1, as HTTP had it at first.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { UnicodeScalar($0) }))
    }

    /// A number in decimal digits; nil for anything else.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard digit >= 48, digit <= 57 else { return nil }
            value = value * 10 + Int64(digit - 48)
        }
        return value
    }

    /// The length of the body in bytes.
    public var contentLength: Int64? { valueBytes(.contentLength).flatMap(Self.number) }

    /// The range of the object in the body: `bytes first-last/total`. The total is nil for `*`.
    public var contentRange: (range: Range<Int64>, total: Int64?)? {
        guard let value = valueBytes(.contentRange), value.starts(with: "bytes ".utf8) else { return nil }
        let parts = value.dropFirst(6).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let ends = parts[0].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last else {
            return nil
        }
        let total = Self.number(parts[1])
        if total == nil, !parts[1].elementsEqual("*".utf8) { return nil }
        return (first..<last + 1, total)
    }

    /// The ETag without its quotation marks.
    public var etag: String? {
        guard var value = valueBytes(.etag) else { return nil }
        if value.count >= 2, value.first == UInt8(ascii: "\""), value.last == UInt8(ascii: "\"") {
            value = value.dropFirst().dropLast()
        }
        return String(decoding: value, as: UTF8.self)
    }

    /// `null` in a bucket whose versioning is suspended; nil if it has no versions.
    public var versionId: String? { value(.versionId) }
    public var contentType: String? { value(.contentType) }
    public var contentEncoding: String? { value(.contentEncoding) }
    /// In HTTP's form.
    public var lastModified: String? { value(.lastModified) }
    /// The same as a time; nil if it cannot be parsed.
    public var lastModifiedTime: Timestamp? { lastModified.flatMap { Timestamp(http: $0) } }
    /// How many parts the upload had; only in answers to requests with `partNumber`.
    public var partsCount: Int? { valueBytes(.partsCount).flatMap(Self.number).map(Int.init) }
    public var storageClass: String? { value(.storageClass) }
    /// The server's clock.
    public var date: Timestamp? { value(.date).flatMap { Timestamp(http: $0) } }
    /// How many tags the object has, where the server says so: it does if there are any.
    public var tagCount: Int? { valueBytes(.taggingCount).flatMap(Self.number).map(Int.init) }
    public var bucketRegion: String? { value(.bucketRegion) }

    /// Whether the answer has any `x-amz-meta-` header.
    public var hasMetadata: Bool { fields.contains { $0.header == nil } }

    /// The `x-amz-meta-` headers in the order received, names in lower case and without the prefix.
    public var metadata: [(name: String, value: String)] {
        fields.compactMap { field in
            guard field.header == nil else { return nil }
            return (
                String(decoding: bytes[field.name], as: UTF8.self),
                Self.text(bytes[field.value])
            )
        }
    }

    /// Whether the ETag is not an MD5 because of how the object is encrypted (SSE-KMS, DSSE-KMS, SSE-C).
    public var hasOpaqueETag: Bool {
        valueBytes(.customerAlgorithm) != nil || valueBytes(.serverSideEncryption)?.starts(with: "aws:kms".utf8) == true
    }
}
