import Basics
import Blobs
import Glibc
import Model
import Packs

/// The blobs that one thread opens. The only place that knows whether a content is in the store.
///
/// A content that is not in it is ``Opened/absent``; `ObjectFile.answerAbsent` decides what happens then.
struct BlobFiles: ~Copyable {
    enum Opened {
        case descriptor(Int32)
        /// A record of a pack, whose descriptor is the pack's; whether it lies behind the one found before it.
        case packed(PackedBlob, isNext: Bool)
        case absent
        case failed(Int32)
    }

    private struct Kept {
        var node: UInt64 = 0
        var descriptor: Int32 = -1
    }

    private let blobs: Blobs
    private var kept: [Kept]
    /// What was found last in a pack: next to it lies what is read next, if it is read in the order of keys.
    private var last: PackedBlob?
    /// What is likely to be read next, where the catalogue says that it is.
    private var expected: PackedBlob?

    /// - Parameter places: how many files are kept open; fewer where few files may be open.
    init(_ blobs: Blobs, places: Int = 64) {
        self.blobs = blobs
        // There are up to four such threads.
        let places = max(1, min(places, (limitOfOpenFiles() - 64) / 8))
        kept = [Kept](repeating: Kept(), count: places)
    }

    deinit {
        for place in kept where place.descriptor >= 0 { close(place.descriptor) }
    }

    /// Opens a content for its caller to close.
    ///
    /// - Parameter sha256: gives the SHA-256 that the index has of an opaque content; called only if no file has the
    ///   ETag's name.
    mutating func open(etag: ETag, size: Int64, sha256: () throws -> [UInt8]?) throws -> Opened {
        if etag.verbatim == nil {
            switch try open(.etag(etag, size: size)) {
            case .absent: break
            case let other: return other
            }
        }
        guard let sha256 = try sha256() else { return .absent }
        return try open(.sha256(sha256, size: size))
    }

    private mutating func open(_ name: BlobName) throws -> Opened {
        if name.size >= BlobFiles.usuallyLoose {
            switch open(blobs.path(ofName: name.file)) {
            case .absent: break
            case let other: return other
            }
        }
        // What is moved into packs, or out of them, while this looks is there before it vanishes from where it was.
        repeat {
            if let packed = try takeExpected(name) ?? blobs.packs.find(name, near: last) {
                defer { last = packed }
                return .packed(packed, isNext: last.map { packed.isBehind($0) } ?? false)
            }
            switch open(blobs.path(ofName: name.file)) {
            case .absent: break
            case let other: return other
            }
        } while try blobs.packs.refresh()
        return .absent
    }

    /// What is smaller is looked for in packs first.
    private static let usuallyLoose: Int64 = 1 << 20

    /// Has the disk begin to read a content that is likely to be read next, if it lies in a pack, and not behind the last one.
    mutating func prepare(_ name: BlobName) throws {
        expected = nil
        guard let (pack, record) = try blobs.packs.expected(name).first, let pack = try blobs.packs.pack(pack) else {
            return
        }
        if let last, last.pack === pack, last.record.end == Int64(record.place) { return }
        _ = posix_fadvise(pack.descriptor, off_t(record.place), off_t(record.length), POSIX_FADV_WILLNEED)
        expected = PackedBlob(pack: pack, record: record)
    }

    private mutating func takeExpected(_ name: BlobName) throws -> PackedBlob? {
        guard let expected, expected.record.name == name else { return nil }
        self.expected = nil
        return try expected.pack.soundRecord(at: expected.record.place, name) == nil ? nil : expected
    }

    private func open(_ path: String) -> Opened {
        // A blob is a regular file: a link in its place could lead to anything that the mounting user can read.
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor >= 0 { return .descriptor(descriptor) }
        return errno == ENOENT ? .absent : .failed(errno)
    }

    /// The descriptor kept for a node; -1 if none is.
    func kept(_ node: UInt64) -> Int32 {
        let place = kept[place(node)]
        return place.node == node ? place.descriptor : -1
    }

    /// Keeps a descriptor for the node's next read, in place of another node's.
    mutating func keep(_ descriptor: Int32, for node: UInt64) {
        let place = place(node)
        if kept[place].descriptor >= 0 { close(kept[place].descriptor) }
        kept[place] = Kept(node: node, descriptor: descriptor)
    }

    /// Closes all that are kept: a blob may have been replaced since.
    mutating func closeAll() {
        (last, expected) = (nil, nil)
        for place in kept.indices where kept[place].descriptor >= 0 {
            close(kept[place].descriptor)
            kept[place] = Kept()
        }
    }

    private func place(_ node: UInt64) -> Int {
        Int(truncatingIfNeeded: (node &* 0x9e37_79b9_7f4a_7c15) >> 40) % kept.count
    }
}
