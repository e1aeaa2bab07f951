import Model

/// The files of one key under `versions/`, one for each version, in the order of their slots.
struct VersionFiles {
    struct VersionFile {
        /// Of the version's first row.
        var slot: Int64
        var record: RowRecord
        var name: [UInt8]
    }

    private(set) var files: [VersionFile] = []

    /// Of a key that has no versions.
    init() {}

    /// Of the key `name` in a directory.
    init(of name: [UInt8], in directory: Int64, _ worker: RequestWorker) throws {
        var identities: Set<VersionIdentity> = []
        var listed: [VersionFile] = []
        var facts: [Naming.VersionFacts] = []
        try name.withUnsafeBytes { bytes in
            try worker.reader.rows(bytes, in: directory) { row in
                // A version that was current twice has two rows.
                let identity = row.identity
                guard !row.isDirectory, identities.insert(identity).inserted,
                    let node = Node.objectId(directory, row.slot)
                else { return }
                listed.append(VersionFile(slot: row.slot, record: RowRecord(row, node: node), name: []))
                facts.append(
                    Naming.VersionFacts(
                        lastModified: identity.lastModified, versionId: identity.versionId,
                        etag: row.isMarker ? nil : Array((identity.etag?.description ?? "").utf8)))
            }
        }
        for (place, fileName) in Naming.names(of: facts).enumerated() { listed[place].name = fileName }
        files = listed
    }

    /// Replies to LOOKUP with the version of that name; false if there is none.
    func answer(_ name: [UInt8], _ current: CurrentView, _ request: Request, _ worker: RequestWorker) -> Bool {
        guard let file = files.first(where: { $0.name == name }) else { return false }
        worker.reply(request, file.record, current.entryTimeout)
        return true
    }

    /// Adds those after a position; false where there is no room for the rest.
    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) -> Bool {
        for file in files {
            let next = DirectoryListing.Position.versions + file.slot
            if next <= position { continue }
            guard worker.add(&listing, file.name, file.record, current, next) else { return false }
        }
        return true
    }
}
