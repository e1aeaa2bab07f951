import Basics

/// What has to be found out before a row can be written.
package struct ChangeChecks: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Whether the blob is present, and the headers have come.
    package static let blob = ChangeChecks(rawValue: 1)
    /// Whether the headers have come.
    package static let headers = ChangeChecks(rawValue: 2)
    /// If not, there is nothing to write.
    package static let onlyHeaders = ChangeChecks(rawValue: 4)
}

/// The changes that a sync makes to the index, as a sequence of bytes: produced by the merge, passed to the writing
/// thread or kept in a file until the downloads are done, then applied in one transaction.
///
/// The bytes never leave the process, so their format needs no version.
public final class ChangeBuffer: @unchecked Sendable {
    // A buffer belongs to one thread at a time: it is handed over, never shared.

    enum Kind: UInt8 {
        case directory, slots, insert, put, delete, longName
    }

    /// The start of every change, followed by the bytes whose lengths it gives.
    struct Header {
        var kind: Kind
        /// `insert`, `put`: if anything is to be checked, the whole key is stored here; the name is its end.
        var checks: ChangeChecks = []
        var versionIsUnknown = false
        var etagIsText = false
        var directory: Int64 = 0
        var slot: Int64 = 0
        var flags: Int64 = 0
        var validFrom: Int64 = 0
        var validTo: Int64 = 0
        var seenFrom: Int64 = 0
        var seenTo: Int64 = 0
        var listedFrom: Int64 = 0
        var listedTo: Int64 = 0
        var child: Int64 = 0
        var headers: Int64 = 0
        var size: Int64 = 0
        var lastModified: Int64 = 0
        /// The length of the key (or of the name alone), and of the name at its end, in bytes.
        var keyLength: UInt32 = 0
        var nameLength: UInt32 = 0
        var versionLength: UInt32 = 0
        var etagLength: UInt32 = 0

        init(_ kind: Kind) {
            self.kind = kind
        }
    }

    /// The number of bytes at which a buffer is passed on.
    static let target = 1 << 18

    private(set) var bytes: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var used = 0
    private(set) var changes = 0

    public init() {
        capacity = ChangeBuffer.target + (1 << 16)
        bytes = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        bytes.deallocate()
    }

    func removeAll() {
        used = 0
        changes = 0
    }

    var isFull: Bool { used >= ChangeBuffer.target }

    private func reserve(_ count: Int) {
        guard used + count > capacity else { return }
        let larger = max(capacity * 2, used + count)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        moved.copyMemory(from: bytes, byteCount: used)
        bytes.deallocate()
        bytes = moved
        capacity = larger
    }

    /// Adds a change: its header, then the pieces whose lengths the header gives, in the same order.
    @inline(__always)
    func append(
        _ header: Header, _ prefix: UnsafeRawBufferPointer, _ name: UnsafeRawBufferPointer,
        _ versionId: UnsafeRawBufferPointer, _ etag: UnsafeRawBufferPointer
    ) {
        reserve(MemoryLayout<Header>.size + prefix.count + name.count + versionId.count + etag.count)
        bytes.storeBytes(of: header, toByteOffset: used, as: Header.self)
        used += MemoryLayout<Header>.size
        add(prefix)
        add(name)
        add(versionId)
        add(etag)
        changes += 1
    }

    @inline(__always)
    private func add(_ piece: UnsafeRawBufferPointer) {
        guard let start = piece.baseAddress, piece.count > 0 else { return }
        (bytes + used).copyMemory(from: start, byteCount: piece.count)
        used += piece.count
    }

    /// Fills the buffer with bytes read back from a file.
    func fill(count: Int, _ read: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        removeAll()
        reserve(count)
        try read(UnsafeMutableRawBufferPointer(start: bytes, count: count))
        used = count
    }
}
