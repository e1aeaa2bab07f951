import Basics
import Blobs
import Download
import Foundation
import Glibc
import Index
import Merge
import Model
import S3
import Store

/// A verification that repairs what it finds: damaged blobs go to `quarantine/`, and are fetched again like missing ones,
/// through any version that the source still has.
///
/// The order makes a kill harmless: first what is sound in damaged packs is written into new ones, which do not count yet; the
/// moves are logged, then the rows lose the mark that their blob is there, and only then the files are moved and the catalogue
/// of packs is replaced. At worst a blob is missing, and the next sync asks for it.
public final class Repair {
    private let store: Store
    private let options: VerifyOptions
    private let reporter: VerifyReporter
    private let environment: [String: String]

    public init(_ store: Store, _ options: VerifyOptions, environment: [String: String], reporter: VerifyReporter) {
        self.store = store
        self.options = options
        self.environment = environment
        self.reporter = reporter
    }

    public func run() throws -> VerifyOutcome {
        let lock = try StoreLock(store, command: "icecore verify --repair")
        let hold = try BlobDeletionLock(store, removing: true)
        defer { withExtendedLifetime((lock, hold)) {} }
        let catalogue = try CatalogueCheck(store)
        try store.removeLeftovers()
        try PackKeeper(store).settle(isThorough: true)
        if let damage = catalogue.damage {
            reporter.note("\(CatalogueCheck.path) \(damage): it was made anew from the packs")
        }
        let verify = VerifyRun(store, options, reporter: reporter)
        let wants = try FetchQueue(directory: store.temporaryPath)
        let asked = RowQueue(try File.unnamed(in: store.temporaryPath))
        var damaged: Set<ContentKey> = []
        var wanted = 0
        try verify.look { version, isDamaged in
            if isDamaged || version.flags.contains(.present) { try asked.append(version.row) }
            // Bounded by what verify holds; any number of contents can be missing.
            if isDamaged { damaged.insert(version.content) }
            // The source has lost this version; another one may have the content.
            if version.flags.contains(.gone) { return }
            try wants.append(version.want)
            wanted += 1
        }
        if verify.outcome.indexIsDamaged {
            reporter.warning("nothing is repaired while the index is damaged: run 'icecore reindex' first")
            return verify.outcome
        }
        var store = store
        try store.bringToCurrentFormat()
        try quarantine(verify, asked)
        if verify.isOverfull {
            reporter.warning(
                "only the first \(VerifyRun.mostDamaged) damaged blobs are repaired: run the same command again for more"
            )
        }
        if wanted > 0 { verify.outcome.repaired = try fetch(wants) }
        try close(verify, damaged)
        return verify.outcome
    }

    // MARK: - Quarantine

    private func quarantine(_ verify: VerifyRun, _ rows: RowQueue) throws {
        let names = verify.damaged.keys.sorted()
        var moves: [(from: String, to: String)] = []
        let time = Timestamp.now()
        var notes: [UInt8] = []
        let packs = PackRepair(store, verify.packs, at: time)
        try packs.rewrite()
        packs.note(in: &notes)
        for name in names {
            let file = "\(name)-\(time.milliseconds)"
            moves.append(("\(store.blobs.path)/\(Blobs.fan(name))/\(name)", "\(store.quarantinePath)/\(file)"))
            var line = JSONLine()
            line.begin()
            line.add("time", time.rfc3339)
            line.add("blob", name)
            line.add("file", file)
            line.add("reason", verify.damaged[name]?.reason)
            line.end()
            notes += line.bytes
        }
        if !notes.isEmpty {
            try Files.createDirectory(store.quarantinePath)
            let log = try File("\(store.quarantinePath)/log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
            try notes.withUnsafeBytes { try log.write($0) }
            try log.synchronize()
            try Files.synchronizeDirectory(store.quarantinePath)
        }
        // What has vanished was counted once, and what is fetched again will be.
        let census = counted(without: Set(names))
        try Interruption.check()
        if rows.count > 0 || !moves.isEmpty || packs.isNeeded {
            let flags = try BlobFlags(store)
            try rows.forEach { try flags.change($0, remove: .present, add: .expected) }
            try flags.commit(census.map { ($0.blobs, $0.bytes) })
        } else if let census, try !isCounted(census) {
            try census.record(in: store)
        }
        for move in moves {
            try Interruption.check()
            try Files.rename(move.from, move.to)
        }
        if !moves.isEmpty {
            try Files.synchronizeFileSystem(File(store.blobs.path, O_RDONLY | O_DIRECTORY))
            verify.outcome.quarantined = moves.count
        }
        guard packs.isNeeded else { return }
        try packs.commit()
        packs.count(in: &verify.outcome)
        // What the new packs have is known only now.
        if let census = counted(without: []), try !isCounted(census) { try census.record(in: store) }
    }

    /// The blobs that will be left; nil if a directory cannot be listed, which has been reported.
    private func counted(without names: Set<String>) -> BlobCensus? {
        try? BlobCensus(store, leavingOut: names)
    }

    private func isCounted(_ census: BlobCensus) throws -> Bool {
        let totals = try store.reader().totals()
        return totals.blobs == census.blobs && totals.blobBytes == census.bytes
    }

    // MARK: - Fetching

    /// - Returns: how many contents were fetched.
    private func fetch(_ wants: FetchQueue) throws -> Int {
        let client = try S3Client(store, environment: environment)
        try client.resolveCredentials()
        let reporter = self.reporter
        let downloader = try Downloader(
            store, client, wants: wants, headers: .rows, jobs: options.jobs, acceptsLosses: options.acceptGone
        ) { summary in
            reporter.progress(
                .fetching(objects: summary.fetched, bytes: summary.bytes, failed: summary.failed + summary.gone))
        }
        let fetched = try downloader.run().fetched
        if let refusal = client.unsignedRefusal { reporter.warning(refusal) }
        return fetched
    }

    /// Updates the rows, and reports what is still missing.
    private func close(_ verify: VerifyRun, _ damaged: Set<ContentKey>) throws {
        _ = try IndexWriter(store).commit(nil)
        let reader = try store.reader()
        let missing = try MissingContents(store, reader)
        let unrepaired = try damaged.filter { content in
            try store.blob(etag: content.etag, size: content.size, reader) == nil
        }
        var changes: [FetchFailure: RowQueue] = [:]
        let unlisted = RowQueue(try File.unnamed(in: store.temporaryPath))
        var last: (key: [UInt8], versionId: [UInt8]?, content: ContentKey)?
        try missing.scan(unrepaired.isEmpty ? nil : { unrepaired.contains($0) }, looksForMissing: true) { version, _ in
            var failure = try version.flags.contains(.gone) ? .gone : missing.failure(of: version)
            // No record is needed of what the row says anyway.
            if failure == nil, version.flags.contains(.archived) { failure = .archived }
            if failure == .refused, !version.isListed {
                // As for a sync: what is not there is refused, too, where the bucket may not be listed.
                failure = .gone
                try unlisted.append(version.row)
            }
            if let failure, failure != .missing || !version.flags.isDisjoint(with: EntryRow.Flags.absence) {
                let rows = try changes[failure] ?? RowQueue(try File.unnamed(in: store.temporaryPath))
                changes[failure] = rows
                try rows.append(version.row)
            }
            if let last, last == (version.key, version.versionId, version.content) { return }
            last = (version.key, version.versionId, version.content)
            if failure == .gone { verify.outcome.gone += 1 } else { verify.outcome.stillMissing += 1 }
            let name = BlobName.file(etag: version.content.etag, size: version.content.size)
            try reporter.finding(
                Finding(
                    .unrepaired, name.map { "blobs/\(Blobs.fan($0))/\($0)" } ?? "blobs",
                    (failure ?? .missing).afterRepair, version))
        }
        if !changes.isEmpty {
            reader.end()
            let flags = try BlobFlags(store)
            for (failure, rows) in changes {
                let (remove, add) = failure.flags
                try rows.forEach { try flags.change($0, remove: remove, add: add) }
            }
            try unlisted.forEach { try flags.markUnlisted($0) }
            try flags.commit()
        }
    }
}

extension FetchFailure {
    /// What a content's rows say once it could not be fetched.
    fileprivate var flags: (remove: EntryRow.Flags, add: EntryRow.Flags) {
        switch self {
        case .gone: (EntryRow.Flags.absence, .gone)
        case .refused: (EntryRow.Flags.absence, .refused)
        case .encrypted: (EntryRow.Flags.absence.union(.expected), .refused)
        case .archived: (EntryRow.Flags.absence, .foundArchived)
        case .missing: (EntryRow.Flags.absence, [])
        }
    }

    /// A sentence without a subject, after a repair that could not fetch the content.
    fileprivate var afterRepair: String {
        switch self {
        case .gone: "is gone: the bucket no longer has it"
        case .refused: "could not be fetched: the source refuses it"
        case .encrypted: "could not be fetched: it is encrypted with a key of its owner"
        case .archived: "could not be fetched: it is archived, and has to be restored first"
        case .missing: "could not be fetched: the next sync tries again"
        }
    }
}

/// Rows to change, kept in an unnamed file until all rows have been read.
private final class RowQueue {
    private let file: File
    private(set) var count = 0
    private var end: Int64 = 0
    private var buffer: [UInt8] = []

    init(_ file: consuming File) {
        self.file = file
    }

    func append(_ row: MissingContents.Row) throws {
        withUnsafeBytes(of: (row.directory, row.slot, Int64(row.name.count))) { buffer.append(contentsOf: $0) }
        buffer.append(contentsOf: row.name)
        count += 1
        if buffer.count > 1 << 18 { try flush() }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try file.write($0, at: end) }
        end += Int64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    func forEach(_ body: (MissingContents.Row) throws -> Void) throws {
        try flush()
        var offset: Int64 = 0
        while offset < end {
            var head: (Int64, Int64, Int64) = (0, 0, 0)
            try withUnsafeMutableBytes(of: &head) { try file.read(into: $0, at: offset) }
            var name = [UInt8](repeating: 0, count: Int(head.2))
            try name.withUnsafeMutableBytes { try file.read(into: $0, at: offset + 24) }
            offset += 24 + head.2
            try body(MissingContents.Row(directory: head.0, name: name, slot: head.1))
        }
    }
}
