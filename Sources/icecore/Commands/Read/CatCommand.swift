import ArgumentParser
import Basics
import Blobs
import Glibc
import Index
import Model

struct CatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Print the content of a key as of a date, or of one version.")

    @Argument(help: "The key, as in S3.")
    var key: String

    @OptionGroup var viewOptions: ViewOptions

    // Unconditional: some ids begin with '-'.
    @Option(
        name: .customLong("version-id"), parsing: .unconditional,
        help: ArgumentHelp("Print this version, regardless of date.", valueName: "id"))
    var versionId: String?

    @OptionGroup var options: ReadOptions

    func validate() throws {
        if versionId != nil, viewOptions.at != nil {
            throw ValidationError("give --at or --version-id, not both")
        }
    }

    func run() throws {
        let cache = try options.openReplica()
        let store = try cache?.store ?? options.options.open()
        let reader = try store.reader()
        let (identity, flags) = try version(reader)
        let bytes = Array(key.utf8)
        guard let etag = identity.etag, let filed = identity.contentETag(key: bytes, flags) else {
            throw IcecoreError(
                .notFound, "version '\(versionId ?? "")' of '\(key)' is a delete marker: it has no content")
        }
        // Nothing needs no blob.
        if identity.size == 0 { return }
        if etag.isUnknown {
            throw IcecoreError(
                .unsupported,
                "the content of '\(key)' cannot be fetched: the inventory has no ETags, so nothing says what it is. Sync "
                    + "an inventory with the field ETag into a new store")
        }
        guard let place = try store.blob(etag: filed, size: identity.size, reader) else {
            // The replica may have what the bucket no longer had when the store lost it.
            if let cache, !flags.contains(.pruned), cache.hasContents || !flags.contains(.gone) {
                let want = FetchRequest(
                    key: bytes, versionId: nil, etag: etag, contentETag: filed, size: identity.size, isLatest: false,
                    isOpaque: flags.contains(.opaque), isArchived: false, lastModified: identity.lastModified,
                    replacedAt: .distantFuture)
                reader.end()
                return try cache.read(want, Output.pass)
            }
            throw IcecoreError(.notFound, "the content of '\(key)' \(flags.state.whyNotHere)")
        }
        try copy(OpenBlob(place))
    }

    private func version(_ reader: IndexReader) throws -> (VersionIdentity, EntryRow.Flags) {
        let bytes = Array(key.utf8)
        if let versionId {
            let id = Array(versionId.utf8)
            let version = try reader.versions(ofKey: bytes)?.versions.first { $0.identity.versionId == id }
            if let version { return (version.identity, version.flags) }
            throw IcecoreError(
                .notFound, "the key '\(key)' has no version '\(versionId)': 'icecore versions' lists them")
        }
        let view = try viewOptions.view(reader)
        if let version = try reader.version(ofKey: bytes, view) { return version }
        let hint = try reader.suggestion(forKey: key, view)
        throw IcecoreError(.notFound, "the key '\(key)' is not in the bucket at \(view.name)\(hint)")
    }

    private func copy(_ blob: OpenBlob) throws {
        var buffer = [UInt8](repeating: 0, count: Int(min(blob.size, 1 << 18)))
        var done: Int64 = 0
        while done < blob.size {
            try Interruption.check()
            let count = Int(min(Int64(buffer.count), blob.size - done))
            try buffer.withUnsafeMutableBytes { bytes in
                let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                try blob.read(into: piece, at: done)
                try Output.pass(UnsafeRawBufferPointer(piece))
            }
            done += Int64(count)
        }
    }
}

extension ContentState {
    /// The rest of a sentence about a content that is not in the store.
    fileprivate var whyNotHere: String {
        switch self {
        case .pruned: "was pruned: no kept date shows it"
        case .gone: "is gone: the bucket no longer had it when it was requested"
        case .archived:
            "is archived: once the object has been restored in the bucket, 'icecore sync --archived fetch' fetches it"
        case .refused: "is not in the store, since the bucket refuses it: 'icecore status --failures' tells why"
        case .present:
            "is not in the store, although the index says so: 'icecore verify --repair' fetches it again"
        case .missing, .unrequested:
            "is not in the store: 'icecore sync' fetches it, 'icecore status --failures' tells why it is missing"
        }
    }
}
