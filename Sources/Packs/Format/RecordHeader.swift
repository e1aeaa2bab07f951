import Basics
import Model

/// What vouches for a content in a pack.
enum RecordKind: UInt8 {
    /// The MD5 of the content, a plain ETag.
    case plain = 1
    /// A CRC32C: the ETag of a multipart upload says nothing of the content without its parts, so the record has both.
    case multipart = 2
    /// The SHA-256 of the content.
    case sha256 = 3
}

/// What precedes a content in a pack: the pack's marker, the kind, the size; of a multipart upload its ETag and a CRC32C of
/// the content; then a CRC32C of the record's place, of all that, and of the digest that is the name.
///
/// That digest is not there: the content has it. So nothing can be taken for a content that it is not, and the name need
/// not be stored twice.
struct RecordHeader {
    static let shortest = 13
    static let longest = 37

    let kind: RecordKind
    let size: UInt32
    /// Of a multipart upload.
    let etag: ETag?
    /// Of the content of a multipart upload.
    let contentCheck: UInt32
    let check: UInt32

    static func length(_ kind: RecordKind) -> Int { kind == .multipart ? longest : shortest }
    var length: Int { RecordHeader.length(kind) }

    /// Nil if no record begins like this, whatever its content.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer, marker: UInt32) {
        guard bytes.count >= RecordHeader.shortest, bytes.number(at: 0, UInt32.self) == marker,
            let kind = RecordKind(rawValue: bytes[4]), bytes.count >= RecordHeader.length(kind)
        else { return nil }
        self.kind = kind
        size = bytes.number(at: 5, UInt32.self)
        if kind == .multipart {
            let key = PackKey(bytes, at: 9)
            let parts = bytes.number(at: 25, UInt32.self)
            guard parts > 0 else { return nil }
            etag = ETag(high: key.high, low: key.low, parts: parts)
            contentCheck = bytes.number(at: 29, UInt32.self)
            check = bytes.number(at: 33, UInt32.self)
        } else {
            etag = nil
            contentCheck = 0
            check = bytes.number(at: 9, UInt32.self)
        }
    }

    /// Appends the header of a record.
    ///
    /// - Parameter name: one that has a ``PackKey``.
    static func append(
        _ name: BlobName, _ content: UnsafeRawBufferPointer, at place: UInt32, marker: UInt32, to bytes: inout [UInt8]
    ) {
        let start = bytes.count
        let kind = RecordKind(name)
        bytes.append(number: marker)
        bytes.append(kind.rawValue)
        bytes.append(number: UInt32(truncatingIfNeeded: content.count))
        if kind == .multipart, case .etag(let etag, _) = name {
            bytes.append(number: etag.high)
            bytes.append(number: etag.low)
            bytes.append(number: etag.parts)
            bytes.append(number: PackFrame.crc32c(content))
        }
        let check = bytes.withUnsafeBytes { RecordHeader.check($0.part(start..<$0.count), at: place, name) }
        bytes.append(number: check)
    }

    /// The check of a header, its first bytes up to the check itself, for a content of this name.
    static func check(_ bytes: UnsafeRawBufferPointer, at place: UInt32, _ name: BlobName) -> UInt32 {
        var check = CRC(.crc32c)
        withUnsafeBytes(of: place.bigEndian) { check.update($0) }
        check.update(bytes)
        switch name {
        case .sha256(let digest, _): digest.withUnsafeBytes { check.update($0) }
        case .etag(let etag, _) where etag.parts == 0:
            withUnsafeBytes(of: (etag.high.bigEndian, etag.low.bigEndian)) { check.update($0) }
        case .etag: break
        }
        return UInt32(truncatingIfNeeded: check.value)
    }

    /// Whether this, which has been read from these bytes, is the header of a content of that name.
    func belongs(to name: BlobName, at place: UInt32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard kind == RecordKind(name), Int64(size) == name.size else { return false }
        if kind == .multipart, case .etag(let other, _) = name, other != etag { return false }
        return RecordHeader.check(bytes.part(0..<(length - 4)), at: place, name) == check
    }
}

extension RecordKind {
    init(_ name: BlobName) {
        switch name {
        case .sha256: self = .sha256
        case .etag(let etag, _): self = etag.parts == 0 ? .plain : .multipart
        }
    }
}

/// A content in a pack.
public struct PackRecord: Hashable, Sendable {
    public let name: BlobName
    /// Where the record begins.
    public let place: UInt32

    /// Where its content is in the file.
    public var content: Range<Int64> {
        let start = Int64(place) + Int64(RecordHeader.length(RecordKind(name)))
        return start..<start + name.size
    }
    /// Where the next record begins.
    public var end: Int64 { content.upperBound }
}
