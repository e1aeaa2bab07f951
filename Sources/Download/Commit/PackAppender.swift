import Basics
import Blobs
import Glibc
import Model
import Packs
import Store

/// Puts small contents into packs. Belongs to the writer's thread (``BlobWriter``) of a process that holds the store's lock.
///
/// Contents are gathered, and appended in the order of their keys, so that what is near in a bucket is near on the disk.
/// They are durable in a pack that has no name yet: a process that starts after a kill finishes it. Finished packs become
/// part of the store at the end, and now and then before, so rarely that writing their catalogue costs little.
final class PackAppender {
    private let store: Store
    private let keeper: PackKeeper
    /// What is not smaller is a file of its own.
    private let limit: Int64
    private var writer: PackWriter?
    /// The writer's file may have no durable name yet.
    private var isNameless = false

    /// Contents that wait to be appended.
    private(set) var window: [CheckedContent] = []
    private var windowBytes: Int64 = 0
    /// Contents that were appended, and are perhaps not durable yet.
    private var undurable = 0
    private var undurableBytes: Int64 = 0
    /// Where they were before, to be removed once they are durable.
    private var sources: [CheckedContent] = []
    private var appended = (blobs: 0, bytes: Int64(0))
    private var uncounted = (blobs: 0, bytes: Int64(0))

    /// The contents of the unfinished pack, and those of finished ones that the catalogue does not list yet.
    private var current: [ContentKey] = []
    private var finished: [ContentKey] = []
    private var packs: [PackName] = []
    /// Those of both that only a SHA-256 names: such a content may come under several ETags.
    private var digests: Set<SIMD4<UInt64>> = []
    private var finishedDigests: Set<SIMD4<UInt64>> = []
    /// How many contents the catalogue lists.
    private var listed: Int64

    // What is gathered before it is appended, and what is appended before it is made durable.
    private static let mostWaiting = 4096
    private static let mostWaitingBytes: Int64 = 16 << 20
    private static let mostUndurable = 8192
    private static let mostUndurableBytes: Int64 = 64 << 20

    /// Nil if the store wants no packs.
    init?(_ store: Store) throws {
        limit = store.configuration.packLimit
        guard limit > 0 else { return nil }
        var store = store
        try PackKeeper.prepare(&store)
        self.store = store
        keeper = PackKeeper(store)
        listed = try store.packs.current()?.count ?? 0
    }

    // MARK: - The batch

    /// Takes a content; false for one that is to be a file of its own.
    func hold(_ blob: CheckedContent) -> Bool {
        guard blob.want.size < limit, !blob.staysFile, BlobName(blob.name).flatMap({ PackKey($0) }) != nil else {
            return false
        }
        window.append(blob)
        windowBytes += blob.want.size
        return true
    }

    /// Whether what waits is to be appended.
    var isWindowFull: Bool {
        window.count >= PackAppender.mostWaiting || windowBytes >= PackAppender.mostWaitingBytes
    }

    /// Whether what was appended is to be made durable.
    var isBatchFull: Bool {
        undurable >= PackAppender.mostUndurable || undurableBytes >= PackAppender.mostUndurableBytes
    }

    /// Whether everything that came is durable.
    var isDurable: Bool { window.isEmpty && undurable == 0 }

    /// Appends what waits. What the index has to know of it has been recorded.
    func append() throws {
        guard !window.isEmpty else { return }
        window.sort { $0.want.key.lexicographicallyPrecedes($1.want.key) }
        for blob in window {
            try append(blob)
            undurable += 1
            undurableBytes += blob.want.size
        }
        window.removeAll(keepingCapacity: true)
        windowBytes = 0
    }

    private func append(_ blob: CheckedContent) throws {
        guard let name = BlobName(blob.name) else { return }
        if case .file = blob.content { sources.append(blob) }
        if try isThere(name) {
            current.append(blob.want.content)
        } else {
            // Of two contents with one key, the second goes into another pack.
            if writer?.refuses(name) ?? false { try finishPack() }
            current.append(blob.want.content)
            switch blob.content {
            case .memory(let content): try append(name, content.bytes)
            case .file: try read(blob).withUnsafeBytes { try append(name, $0) }
            }
            if let digest = PackAppender.digest(name) { digests.insert(digest) }
            if !blob.want.wasPresent {
                appended.blobs += 1
                appended.bytes += blob.want.size
            }
        }
        if case .memory(let content) = blob.content { content.release() }
    }

    private func append(_ name: BlobName, _ content: UnsafeRawBufferPointer) throws {
        let writer = try self.writer ?? keeper.newPack()
        if self.writer == nil { isNameless = true }
        self.writer = writer
        guard try writer.append(name, content) != nil else {
            throw IcecoreError(.system, "a pack does not take the content \(name.file)")
        }
        if writer.isFull { try finishPack() }
    }

    /// Whether the content has come already: a mount has fetched it, or it has another ETag as well.
    private func isThere(_ name: BlobName) throws -> Bool {
        guard let digest = PackAppender.digest(name) else {
            return Files.size(store.blobs.path(ofName: name.file)) == name.size
        }
        if digests.contains(digest) || finishedDigests.contains(digest) { return true }
        return try store.blobs.find(name) != nil
    }

    private static func digest(_ name: BlobName) -> SIMD4<UInt64>? {
        guard case .sha256(let digest, _) = name, digest.count == 32 else { return nil }
        return digest.withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) }
    }

    /// The bytes of a content that is in a file.
    private func read(_ blob: CheckedContent) throws -> [UInt8] {
        let file = try File.regular(blob.temporary)
        let size = Int(blob.want.size)
        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]), at: 0)
            count = size
        }
    }

    /// Makes what was appended durable.
    func synchronize() throws {
        guard undurable > 0 else { return }
        if let writer {
            try writer.synchronize()
            if isNameless { try Files.synchronizeDirectory(store.temporaryPath) }
            isNameless = false
        }
        for source in sources {
            if let partial = source.partial { try partial.remove() } else { try Files.remove(source.temporary) }
        }
        sources.removeAll(keepingCapacity: true)
        uncounted = (uncounted.blobs + appended.blobs, uncounted.bytes + appended.bytes)
        appended = (0, 0)
        undurable = 0
        undurableBytes = 0
    }

    /// What has become durable, and is not counted yet.
    func takeUncounted() -> (blobs: Int, bytes: Int64) {
        defer { uncounted = (0, 0) }
        return uncounted
    }

    // MARK: - Packs

    private func finishPack() throws {
        if let pack = try writer?.finish(in: keeper.folder) { packs.append(pack.name) }
        writer = nil
        finished += current
        current.removeAll(keepingCapacity: true)
        finishedDigests.formUnion(digests)
        digests.removeAll(keepingCapacity: true)
    }

    /// Whether so much is in finished packs that the catalogue should list it: the more it lists already, the more this is,
    /// up to what fits into memory.
    var isListingDue: Bool {
        let share = listed / 32
        return finished.count >= max(1 << 18, min(1 << 20, share)) || (packs.count >= 64 && finished.count >= share)
    }

    /// Has the catalogue list the finished packs.
    ///
    /// - Returns: the contents that this makes part of the store.
    func list() throws -> [ContentKey] {
        if !packs.isEmpty {
            // Whoever stops a sync keeps what it has fetched.
            try Interruption.shielded { try keeper.commit(adding: packs) }
            packs = []
            listed = try store.packs.current()?.count ?? 0
        }
        finishedDigests = []
        defer { finished = [] }
        return finished
    }

    /// Finishes the unfinished pack, and has the catalogue list all. Nothing can be added afterwards.
    func end() throws -> [ContentKey] {
        try finishPack()
        return try list()
    }
}
