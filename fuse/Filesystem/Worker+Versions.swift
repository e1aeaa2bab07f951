import Basics
import CFuse3
import Glibc
import Model

/// One version of a key, as `versions/` shows it.
struct ListedVersion {
    /// Of its first row.
    var slot: Int64
    var record: RowRecord
    var name: [UInt8]
}

/// The tree below `versions/`: for every key that was ever there a directory with one file a version. The directory of
/// the key `a` and that of the keys below `a/` are one.
extension Worker {
    /// The versions of one key, in the order of their slots.
    private func versions(of name: [UInt8], in directory: Int64) throws -> [ListedVersion] {
        var places: Set<VersionIdentity> = []
        var listed: [ListedVersion] = []
        var facts: [Naming.VersionFacts] = []
        try name.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in
                // A version that was current twice has two rows.
                let identity = row.identity
                guard !row.isDirectory, places.insert(identity).inserted, let node = Node.row(directory, row.slot)
                else {
                    return
                }
                listed.append(ListedVersion(slot: row.slot, record: RowRecord(row, node: node), name: []))
                facts.append(
                    Naming.VersionFacts(
                        lastModified: identity.lastModified, versionId: identity.versionId,
                        etag: row.isMarker ? nil : Array((identity.etag?.description ?? "").utf8)))
            }
        }
        for (place, fileName) in Naming.names(of: facts).enumerated() { listed[place].name = fileName }
        return listed
    }

    /// The versions of the key that has the path of a directory.
    private func versions(ofKeyAt directory: Int64) throws -> [ListedVersion] {
        guard let above = try nodes.parent(of: directory, { ($0, Array($1.dropLast())) }) else { return [] }
        return try versions(of: above.1, in: above.0)
    }

    private func versions(ofRow slot: Int64, in directory: Int64) throws -> [ListedVersion] {
        guard let node = Node.row(directory, slot), try record(node, directory: directory, slot: slot) != nil else {
            return []
        }
        return try versions(of: name, in: directory)
    }

    // MARK: Look-up

    func lookupVersions(_ request: Request, in directory: Int64, _ name: [UInt8]) throws {
        guard let current = try view(ViewTable.versions) else { return fail(request, ESTALE) }
        if Naming.beginsWithTime(name[...]) || name.starts(with: Naming.long),
            try answer(request, try versions(ofKeyAt: directory), in: directory, name, current)
        {
            return
        }
        guard let meaning = Naming.versionsMeaning(name),
            let component = try component(meaning, in: directory, name, Naming.versionsName),
            let node = try versionsNode(of: component, in: directory, current)
        else { return replyNone(request, current.entryTimeout) }
        reply(request, directory: node, current)
    }

    func lookupVersion(_ request: Request, ofRow slot: Int64, in directory: Int64, _ name: [UInt8]) throws {
        guard let current = try view(ViewTable.versions) else { return fail(request, ESTALE) }
        if try answer(request, versions(ofRow: slot, in: directory), in: directory, name, current) { return }
        replyNone(request, current.entryTimeout)
    }

    /// Replies with the version of that name, if there is one.
    private func answer(
        _ request: Request, _ versions: [ListedVersion], in directory: Int64, _ name: [UInt8], _ current: CurrentView
    ) throws -> Bool {
        guard let version = versions.first(where: { $0.name == name }) else { return false }
        reply(request, version.record, current.entryTimeout)
        return true
    }

    /// The directory of a component: the one of what is below it, else that of the key's versions.
    private func versionsNode(of component: [UInt8], in directory: Int64, _ current: CurrentView) throws -> UInt64? {
        var child: Int64 = 0
        try (component + [UInt8(ascii: "/")]).withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { child = $0.child }
        }
        if child != 0 { return Node.directory(child, current.number) }
        var first: Int64?
        try component.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in
                if first == nil, !row.isDirectory { first = row.slot }
            }
        }
        return first.flatMap { Node.key(directory, $0) }
    }

    // MARK: Listing

    func listVersions(
        _ listing: inout Listing, _ id: UInt64, _ directory: Int64, _ current: CurrentView, _ position: Int64
    ) throws -> Bool {
        if position < Listing.Position.rows || position >= Listing.Position.versions {
            let own = try versions(ofKeyAt: directory)
            guard add(&listing, own, current, position) else { return false }
        }
        let isBeginning = position < Listing.Position.rows || position >= Listing.Position.versions
        guard var last = isBeginning ? [] : try resume(id, directory, position) else { return true }
        let batch = last
        var lastPosition = isBeginning ? Listing.Position.rows : position
        let cursor = try reader.cursor()
        cursor.seek(directory: directory, from: isBeginning ? [] : last + [0])
        defer { cursor.close() }
        var isFirst = isBeginning
        while try cursor.next() {
            let row = cursor.row
            // All rows of a name are one entry.
            if !isFirst, last.withUnsafeBytes({ $0.isEqual(to: row.name) }) { continue }
            let name = Array(row.name)
            let next = Listing.Position.after(row.slot)
            let isAdded: Bool
            if row.isDirectory {
                let component = Array(name.dropLast())
                // The key of the same name came before, with this directory's node.
                guard try !hasVersions(component, in: directory),
                    let node = Node.directory(row.child, current.number)
                else { continue }
                isAdded = add(&listing, Naming.versionsName(component), directory: node, current, next)
            } else {
                guard let node = try versionsNode(of: name, in: directory, current) else { continue }
                isAdded = add(&listing, Naming.versionsName(name), directory: node, current, next)
            }
            if !isAdded {
                files.resumePoints.insert(id, from: batch, to: last, at: lastPosition)
                return false
            }
            isFirst = false
            last = name
            lastPosition = next
        }
        return true
    }

    func listVersions(
        _ listing: inout Listing, ofRow slot: Int64, in directory: Int64, _ current: CurrentView, _ position: Int64
    ) throws -> Bool {
        add(&listing, try versions(ofRow: slot, in: directory), current, position)
    }

    private func add(
        _ listing: inout Listing, _ versions: [ListedVersion], _ current: CurrentView, _ position: Int64
    ) -> Bool {
        for version in versions {
            let next = Listing.Position.versions + version.slot
            if next <= position { continue }
            guard add(&listing, version.name, version.record, current, next) else { return false }
        }
        return true
    }

    private func hasVersions(_ name: [UInt8], in directory: Int64) throws -> Bool {
        var isThere = false
        try name.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in if !row.isDirectory { isThere = true } }
        }
        return isThere
    }
}
