import Basics
import Glibc
import Index
import Model
import Store

/// Takes contents that the index wants from a tree that another tool has made: a mirror (path = key), a backup by
/// s3invsync, another store. Nothing is believed but the bytes: a file counts once a digest of what was read is that of a
/// wanted content.
///
/// What has been taken is a blob like any other, durable and named, before rows know of it; so a kill loses nothing, and
/// the next adoption or sync finds the blob by its name.
public final class Adoption {
    private var store: Store
    private let options: AdoptOptions
    private let reporter: AdoptReporter

    public init(_ store: Store, _ options: AdoptOptions, reporter: AdoptReporter) {
        self.store = store
        self.options = options
        self.reporter = reporter
    }

    public func run() throws -> AdoptOutcome {
        raiseLimitOfOpenFiles()
        let (root, facts) = try source()
        let lock = try StoreLock(store, command: "icecore adopt")
        defer { withExtendedLifetime(lock) {} }
        try IndexReader.refuseLoss(store.indexPath)
        try store.removeLeftovers()
        if options.isDryRun {
            _ = try IndexDatabase(path: store.indexPath, keepsFormat: true)
        } else {
            try store.bringToCurrentFormat()
            try FactKeeper(store).fill()
        }
        defer { if !options.isDryRun { DiskReserve(store).fill() } }
        let reader = try store.reader()
        if reader.timeline.points.isEmpty {
            throw IcecoreError(
                .notFound,
                "the index knows no inventory yet, so nothing is wanted: 'icecore sync --metadata-only' first")
        }
        let wanted = try wanted(reader)
        if let facts { try wanted.readHints(facts) }
        let session = try AdoptSession(store, options, reader, wanted, reporter)
        try session.run(try SourceTree(root, excluding: store.path))
        reader.end()
        if !options.isDryRun {
            reporter.progress(.recording)
            try LackingRows(store: store).recordWhatCame { _ in reporter.progress(.recording) }
        }
        return session.outcome
    }

    /// The contents that the store lacks. What rows call present is not looked for here: it is missed once the tree has a
    /// file under its key.
    private func wanted(_ reader: IndexReader) throws -> WantedContents {
        let wanted = try WantedContents(directory: store.temporaryPath)
        let contents = try IndexedContents(store, reader)
        try reader.forEachLacking({ reporter.progress(.looking(rows: $0)) }) { row, _, prefix in
            guard let content = try contents.content(of: row, prefix: prefix) else { return }
            if !wanted.isLast(content), try !contents.isThere(content) { try wanted.add(content) }
        }
        try wanted.sort()
        return wanted
    }

    /// The tree, and what another store says of the parts of its contents.
    private func source() throws -> (root: String, facts: String?) {
        let given = options.directory
        let isEnded = given.utf8.count > 1 && given.utf8.last == UInt8(ascii: "/")
        let root = Files.absolute(isEnded ? String(decoding: given.utf8.dropLast(), as: UTF8.self) : given)
        var status = stat()
        guard stat(root, &status) == 0 else { throw IcecoreError.system("cannot look into", given, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw IcecoreError(.usage, "'\(given)' is not a directory")
        }
        let (real, own) = (Files.resolved(root), Files.resolved(store.path))
        if real == own || real.hasPrefix("\(own)/") {
            throw IcecoreError(
                .usage, "'\(given)' is the store itself, or inside it: there is nothing to take from there")
        }
        let isStore =
            Files.isRegular("\(root)/\(StoreLayout.configuration)") && Files.exists("\(root)/\(StoreLayout.blobs)")
        let tree = isStore ? "\(root)/\(StoreLayout.blobs)" : root
        let facts = "\(Files.directory(of: tree))/\(StoreLayout.blobFacts)"
        let isBlobs = tree.hasSuffix("/\(StoreLayout.blobs)")
        return (tree, isBlobs && Files.size(facts) != nil ? facts : nil)
    }
}
