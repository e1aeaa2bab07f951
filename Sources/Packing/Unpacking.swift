import Basics
import Blobs
import Glibc
import Index
import Model
import Packs
import Store

/// Moves all contents out of the packs of a store, into files of their own.
///
/// The files of a pack's contents are durable, and have their names, before the catalogue loses the pack, and that before the
/// pack is removed. A kill in between leaves contents that are in both places.
public final class Unpacking {
    private var store: Store
    private let isDryRun: Bool
    private let progress: (PackingProgress) -> Void
    private let keeper: PackKeeper
    private var outcome = PackingOutcome()
    private var naming = FileNaming()
    private var emptied: Set<PackName> = []
    private var emptiedBytes: Int64 = 0
    private static let groupBytes: Int64 = 1 << 30

    public init(_ store: Store, isDryRun: Bool, progress: @escaping (PackingProgress) -> Void) {
        self.store = store
        self.isDryRun = isDryRun
        self.progress = progress
        keeper = PackKeeper(store)
    }

    /// - Throws: `interrupted`, after which the same run goes on where it stopped; `damaged` if packs are left because some of
    ///   their contents are damaged; `noSpace`.
    public func run() throws -> PackingOutcome {
        let lock = try StoreLock(store, command: "icecore pack")
        let hold = try BlobDeletionLock(store, removing: true)
        defer { withExtendedLifetime((lock, hold)) {} }
        try store.removeLeftovers()
        _ = try store.packs.refresh()
        let packs = try store.packs.current()?.packs ?? [:]
        if !isDryRun { try store.setPackLimit(nil) }
        let unit = try FreeSpace(store.path).unit
        for (_, name) in packs.sorted(by: { $0.key < $1.key }) {
            try Interruption.check()
            let path = keeper.folder.path(of: name)
            guard Files.exists(path) else {
                outcome.addDamaged("packs/\(name.path)")
                continue
            }
            let pack = try PackFile(path: path)
            if isDryRun {
                try pack.forEachRecord { count($0, unit) }
            } else {
                try empty(pack, name, unit)
            }
            outcome.packs += 1
            outcome.diskBytesBefore += pack.size
        }
        if isDryRun { return outcome }
        try commit()
        try Files.removeAll(staging)
        return outcome
    }

    /// Where files are written.
    private var staging: String { "\(store.temporaryPath)/unpack" }

    private func count(_ record: PackRecord, _ unit: Int64) {
        outcome.contents += 1
        outcome.bytes += record.name.size
        outcome.diskBytesAfter += (record.name.size + unit - 1) / unit * unit
    }

    private func empty(_ pack: PackFile, _ name: PackName, _ unit: Int64) throws {
        try Files.createDirectory(staging)
        var staged: [BlobName] = []
        var bytes: Int64 = 0
        var damaged = 0
        func flush() throws {
            guard !staged.isEmpty else { return }
            let blobs = try File(store.blobs.path, O_RDONLY | O_DIRECTORY)
            try Files.synchronizeFileSystem(blobs)
            for blob in staged {
                let file = blob.file
                let path = "\(Blobs.fan(file))/\(file)"
                var code = naming.move("\(staging)/\(file)", to: path, in: blobs)
                if code == ENOENT {
                    try Files.createDirectory(Files.directory(of: store.blobs.path(ofName: file)))
                    code = naming.move("\(staging)/\(file)", to: path, in: blobs)
                }
                if code == EEXIST {
                    try Files.remove("\(staging)/\(file)")
                } else if code != 0 {
                    throw IcecoreError.system("cannot create", store.blobs.path(ofName: file), errno: code)
                }
            }
            staged.removeAll(keepingCapacity: true)
            bytes = 0
        }
        try pack.verify { record in
            try Interruption.check()
            count(record, unit)
            let file = record.name.file
            // A kill may have left it there.
            if Files.size(store.blobs.path(ofName: file)) == record.name.size { return }
            try pack.withContent(at: record.place, record.name, isChecked: false) { content in
                let target = try File("\(staging)/\(file)", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o444)
                try target.write(content)
                try target.close()
            }
            staged.append(record.name)
            bytes += record.name.size
            progress(PackingProgress(contents: outcome.contents, bytes: outcome.bytes))
            if staged.count >= 4096 || bytes >= 64 << 20 { try flush() }
        } damaged: { record in
            damaged += 1
            outcome.addDamaged("\(record.key) in packs/\(name.path)")
        }
        try flush()
        // A kill may have left names that are not durable.
        try Files.synchronizeFileSystem(File(store.blobs.path, O_RDONLY | O_DIRECTORY))
        if damaged > 0 { return }
        emptied.insert(name)
        emptiedBytes += pack.size
        let listed = Files.size(keeper.folder.cataloguePath) ?? 0
        if try emptiedBytes >= max(Unpacking.groupBytes, listed)
            || FreeSpace(store.path).bytes < 4 * PackWriter.usualSize
        {
            try commit()
        }
    }

    private func commit() throws {
        guard !emptied.isEmpty else { return }
        try keeper.commit(adding: [], removing: emptied)
        emptied = []
        emptiedBytes = 0
    }
}
