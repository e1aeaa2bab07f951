import Basics
import Blobs
import Glibc
import Index
import Model
import Packs
import Store

/// Moves small contents from files of their own into packs.
///
/// A pack gets its name once it is durable; then the catalogue lists it; only then the files go whose contents it has. A kill in
/// between leaves contents that are in both places, and the next run removes their files. Packs are listed some at a
/// time: as many as there is room for, and few enough that what is written twice is little.
public final class Packing {
    private var store: Store
    private let limit: Int64
    private let isDryRun: Bool
    private let progress: (PackingProgress) -> Void
    private let keeper: PackKeeper
    private var outcome = PackingOutcome()
    private var writer: PackWriter?
    /// Packs that the catalogue does not list yet, their bytes, and the names of the contents whose files are to go.
    private var finished: [PackName] = []
    private var finishedBytes: Int64 = 0
    private let moved: NameList
    private let damaged: NameList
    private let buffer: UnsafeMutableRawBufferPointer

    /// What is usual where nothing is said.
    public static let usualLimit: Int64 = 64 << 10
    /// What a content takes in a pack besides its bytes, and in the catalogue: in bytes.
    static let overhead: Int64 = 33 + 24
    /// About how many bytes of packs are listed together at least.
    private static let groupBytes: Int64 = 1 << 30

    /// - Parameter limit: contents with as many bytes or more stay files; 1 byte at least.
    public init(
        _ store: Store, below limit: Int64, isDryRun: Bool, progress: @escaping (PackingProgress) -> Void
    ) throws {
        self.store = store
        self.limit = min(limit, StoreConfiguration.mostPackBelow)
        self.isDryRun = isDryRun
        self.progress = progress
        keeper = PackKeeper(store)
        moved = try NameList(in: store.temporaryPath)
        damaged = try NameList(in: store.temporaryPath)
        buffer = .allocate(byteCount: Int(max(1, self.limit)), alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }

    /// - Throws: `interrupted`, after which the same run goes on where it stopped.
    public func run() throws -> PackingOutcome {
        let lock = try StoreLock(store, command: "icecore pack")
        let hold = try BlobDeletionLock(store, removing: true)
        defer { withExtendedLifetime((lock, hold)) {} }
        try store.removeLeftovers()
        try IndexReader.refuseLoss(store.indexPath)
        let blobs = SmallBlobs(store, below: limit)
        if isDryRun {
            try blobs.forEach { name in
                guard let file = SmallFile(name, at: store.blobs.path(ofName: name.file)) else { return }
                let isPacked = try store.packs.find(name) != nil
                count(file, isPacked: isPacked)
            }
            outcome.packs = Int((outcome.diskBytesAfter + PackWriter.usualSize - 1) / PackWriter.usualSize)
            return outcome
        }
        try store.bringToCurrentFormat()
        // Packs are what one makes when the disk has no more inodes, or is full.
        let reserve = DiskReserve(store)
        try reserve.release()
        defer { reserve.fill() }
        try PackKeeper.prepare(&store)
        try store.setPackLimit(limit)
        let reader = try store.reader()
        try blobs.forEachNamed(reader) { name, parts in try move(name, parts) }
        // Those that no row names, such as what a stopped prune has left.
        try blobs.forEach { name in
            guard case .etag(let etag, let size) = name, etag.parts > 0 else { return try move(name, nil) }
            try move(name, reader.blobFacts(etag: etag, size: size).parts)
        }
        reader.end()
        try finishPack()
        try commit()
        try LooseNotes(store)?.clear()
        return outcome
    }

    /// Moves only those that came one by one, as they were read in a mount, and were noted then. The store has packs.
    ///
    /// - Throws: `busy` if another process has the store's lock.
    public func runNoted(_ notes: LooseNotes) throws -> PackingOutcome {
        let lock = try StoreLock(store, command: "icecore sync")
        let hold = try BlobDeletionLock(store, removing: true)
        defer { withExtendedLifetime((lock, hold)) {} }
        let reader = try store.reader()
        defer { reader.end() }
        try notes.take { name in
            guard case .etag(let etag, let size) = name, etag.parts > 0 else { return try move(name, nil) }
            try move(name, reader.blobFacts(etag: etag, size: size).parts)
        }
        try finishPack()
        try commit()
        try notes.forgetTaken()
        return outcome
    }

    private func move(_ name: BlobName, _ parts: PartLayout?) throws {
        guard let file = SmallFile(name, at: store.blobs.path(ofName: name.file)) else { return }
        // It is there already, or in a pack of this run that is not listed yet.
        if let packed = try store.packs.find(name), try isSound(packed, parts) {
            count(file, isPacked: true)
            return try moved.append(name.file)
        }
        if try moved.contains(name.file) { return }
        let writer = try currentPack()
        // Another content with the same key, which goes into the next pack.
        if writer.refuses(name) {
            try finishPack()
            return try move(name, parts)
        }
        let isMoved = try file.withContent(parts, buffer) { try writer.append(name, $0) != nil }
        guard isMoved == true else {
            // It comes again in the second pass.
            if try !damaged.contains(name.file) { outcome.addDamaged(name.file) }
            return try damaged.append(name.file)
        }
        count(file, isPacked: false)
        try moved.append(name.file)
        progress(PackingProgress(contents: outcome.contents, bytes: outcome.bytes))
        if writer.isFull { try finishPack() }
    }

    private func isSound(_ packed: PackedBlob, _ parts: PartLayout?) throws -> Bool {
        let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(packed.size)])
        try packed.read(into: bytes, at: 0)
        return try ContentCheckOfName.agrees(UnsafeRawBufferPointer(bytes), packed.record.name, parts)
    }

    private func count(_ file: borrowing SmallFile, isPacked: Bool) {
        outcome.diskBytesBefore += file.diskBytes
        if isPacked {
            outcome.duplicates += 1
        } else {
            outcome.contents += 1
            outcome.bytes += file.name.size
            outcome.diskBytesAfter += file.name.size + Packing.overhead
        }
    }

    // MARK: - Packs

    private func currentPack() throws -> PackWriter {
        if let writer { return writer }
        let new = try keeper.newPack()
        writer = new
        return new
    }

    private func finishPack() throws {
        guard let writer else { return }
        self.writer = nil
        guard let pack = try writer.finish(in: keeper.folder) else { return }
        finished.append(pack.name)
        finishedBytes += pack.size
        outcome.packs += 1
        let listed = Files.size(keeper.folder.cataloguePath) ?? 0
        // The catalogue is written anew each time, so the more there is of it, the rarer.
        let free = try FreeSpace(store.path).bytes
        if finishedBytes >= max(Packing.groupBytes, listed) || free < 4 * PackWriter.usualSize { try commit() }
    }

    /// Lists the packs that are finished, and removes the files whose contents they have.
    private func commit() throws {
        if !finished.isEmpty { try keeper.commit(adding: finished) }
        finished = []
        finishedBytes = 0
        var count = 0
        try moved.forEach { name in
            unlink(store.blobs.path(ofName: name))
            count += 1
            if count & 0xFF == 0 { try Interruption.check() }
        }
        try moved.removeAll()
    }
}
