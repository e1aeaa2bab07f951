import Basics
import Glibc
import Model

/// Writes one pack: contents one after the other, with memory for an entry of each.
///
/// Until ``finish(in:)`` the file has a temporary name. What a writer that is killed has written is a pack without a directory:
/// ``PackScan`` finds its records, and ``init(resuming:)`` goes on behind them.
///
/// The order of durability is that of blobs: the file, then its name. A record of where a content lies, which is the
/// caller's, comes after ``finish(in:)``.
public final class PackWriter {
    /// About how many bytes a pack has.
    public static let usualSize: Int64 = 64 << 20
    /// The most contents of a pack, so that the memory of a writer, about 50 bytes for each, is bounded as well.
    public static let mostRecords = 1 << 19

    private let marker: UInt32
    private let output: HashedOutput
    private let path: String
    private var entries: [PackEntry] = []
    private var keys: Set<PackKey> = []
    private var header: [UInt8] = []
    /// After a failure the file is no longer known to be what it should be.
    private var isBroken = false
    /// Of all contents so far.
    public private(set) var contentBytes: Int64 = 0

    /// Begins a pack.
    ///
    /// - Parameter path: a temporary name, on the file system of the packs, that nothing has yet.
    public convenience init(path: String) throws {
        try self.init(path: path, marker: UInt32.random(in: 1 ... .max))
    }

    init(path: String, marker: UInt32) throws {
        self.path = path
        self.marker = marker
        output = HashedOutput(try File(path, O_RDWR | O_CREAT | O_EXCL))
        try output.append(PackFrame.header(marker: marker))
    }

    /// Goes on with a file that a writer has left. What is behind its first damage is cut off.
    ///
    /// - Parameter recovered: called for each content that is there.
    /// - Throws: `damaged` if that is no unfinished pack.
    public init(resuming path: String, _ recovered: (PackRecord) throws -> Void = { _ in }) throws {
        self.path = path
        let source = try PackSource(path: path, "unfinished pack")
        let scan = try PackScan(source)
        guard scan.hasHeader else { throw source.damage("a damaged header") }
        marker = scan.marker
        // It is read-only where the writer was killed between its last byte and its name.
        chmod(path, 0o644)
        output = HashedOutput(try File(path, O_RDWR))
        var end = Int64(PackFrame.headerLength)
        try scan.run { found in
            // Two of one key are no writer's work.
            guard case .record(let record) = found, Int64(record.place) == end, let key = PackKey(record.name),
                keys.insert(key).inserted
            else { return }
            entries.append(PackEntry(key: key, place: record.place))
            contentBytes += record.name.size
            end = record.end
            try recovered(record)
        }
        let (length, descriptor) = (off_t(end), output.descriptor)
        try systemCall("cannot shorten", path) { ftruncate(descriptor, length) }
        try output.adopt(source, upTo: end)
    }

    /// How many contents it has.
    public var count: Int { entries.count }
    /// The bytes of the file if it were finished now.
    public var size: Int64 {
        output.position + BlockLayout.directory.length(Int64(count)) + Int64(PackFrame.trailerLength)
    }
    /// Whether it is as large as packs are to be: whoever goes on writing gets a larger one.
    public var isFull: Bool { output.position >= PackWriter.usualSize || count >= PackWriter.mostRecords }

    /// Whether a content of this name cannot be added: it is there, or another one whose key is the same, or no pack takes
    /// it, because it has 4 GiB or its name is of another form.
    public func refuses(_ name: BlobName) -> Bool {
        guard let key = PackKey(name), output.position <= Int64(UInt32.max) else { return true }
        return keys.contains(key)
    }

    /// Adds a content.
    ///
    /// - Parameters:
    ///   - name: what vouches for the content: it has been checked.
    ///   - content: as many bytes as the name says.
    /// - Returns: where its record begins; nil if the pack ``refuses(_:)`` it.
    public func append(_ name: BlobName, _ content: UnsafeRawBufferPointer) throws -> UInt32? {
        guard !refuses(name), let key = PackKey(name), let place = UInt32(exactly: output.position),
            name.size == Int64(content.count), count < Int(UInt32.max)
        else { return nil }
        try unbroken {
            header.removeAll(keepingCapacity: true)
            RecordHeader.append(name, content, at: place, marker: marker, to: &header)
            try output.append(header)
            try output.append(content)
        }
        entries.append(PackEntry(key: key, place: place))
        keys.insert(key)
        contentBytes += Int64(content.count)
        return place
    }

    /// Makes what was added so far durable, under the temporary name.
    public func synchronize() throws {
        try unbroken { try output.synchronize() }
    }

    /// Writes the directory, makes the file durable and read-only, and gives it its name, durably.
    ///
    /// - Returns: nil if there was nothing to write: then the temporary file is removed.
    public func finish(in folder: PackFolder) throws -> FinishedPack? {
        guard !entries.isEmpty else {
            try discard()
            return nil
        }
        let digest = try unbroken { try writeDirectory() }
        guard let name = PackName(digest: digest) else { return nil }
        let pack = FinishedPack(name: name, count: count, contentBytes: contentBytes, size: output.position)
        isBroken = true
        try folder.name(path, name)
        return pack
    }

    /// Removes the file.
    public func discard() throws {
        isBroken = true
        try Files.remove(path)
    }

    private func writeDirectory() throws -> [UInt8] {
        let start = output.position
        entries.sort()
        var writer = BlockWriter(.directory, marker: marker)
        output.beginSection()
        for entry in entries { try writer.append(entry, to: output.append) }
        try writer.finish(to: output.append)
        let trailer = PackTrailer(
            directory: start, count: UInt32(count), contentBytes: contentBytes, marker: marker,
            digest: output.endSection())
        try output.append(trailer.bytes)
        let descriptor = output.descriptor
        var status = stat()
        try systemCall("cannot examine", path) { fstat(descriptor, &status) }
        try systemCall("cannot protect", path) { fchmod(descriptor, status.st_mode & 0o444) }
        return try output.finish()
    }

    private func unbroken<Result>(_ body: () throws -> Result) throws -> Result {
        guard !isBroken else { throw IcecoreError(.system, "'\(path)' is finished, or could not be written before") }
        isBroken = true
        let result = try body()
        isBroken = false
        return result
    }
}

/// A pack that has its name, durably.
public struct FinishedPack: Hashable, Sendable {
    public let name: PackName
    public let count: Int
    /// Of all contents, without what encloses them.
    public let contentBytes: Int64
    /// Of the file.
    public let size: Int64
}
