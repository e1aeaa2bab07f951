import CFuse3
import Glibc
import Index
import Model

/// A directory under `versions/`: a directory for every key that ever existed there. The directory of the key `a` and
/// that of the keys below `a/` are one, so the versions of the key that has this directory's path are in it too.
struct VersionsDirectory: DirectoryNode {
    let id: UInt64
    let directory: Int64

    init(id: UInt64, directory: Int64) {
        self.id = id
        self.directory = directory
    }

    /// Nil for an id that is too large for a node.
    init?(_ directory: Int64) {
        guard let id = Node.directoryId(directory, ViewTable.versions) else { return nil }
        self.init(id: id, directory: directory)
    }

    func isShown(_ worker: RequestWorker) throws -> Bool {
        if directory == IndexReader.root { return true }
        guard let above = try worker.nodes.parent(of: directory, { ($0, Array($1.dropLast())) }) else { return false }
        return try VersionsDirectory(above.0)?.node(of: above.1, worker) == id
    }

    func lookupParent(_ request: Request, _ worker: RequestWorker) throws {
        if directory == IndexReader.root { return try HistoryRoot().lookupSelf(request, worker) }
        guard let above = try worker.nodes.parent(of: directory, { above, _ in above }),
            let parent = VersionsDirectory(above)
        else { return worker.fail(request, ESTALE) }
        try parent.lookupSelf(request, worker)
    }

    /// The versions of the key that has the directory's path.
    private func files(_ worker: RequestWorker) throws -> VersionFiles {
        guard let above = try worker.nodes.parent(of: directory, { ($0, Array($1.dropLast())) }) else {
            return VersionFiles()
        }
        return try VersionFiles(of: above.1, in: above.0, worker)
    }

    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) throws {
        guard let current = try view(worker) else { return worker.fail(request, ESTALE) }
        if Naming.beginsWithTime(name[...]) || name.starts(with: Naming.long),
            try files(worker).answer(name, current, request, worker)
        {
            return
        }
        guard let meaning = Naming.versionsMeaning(name),
            let component = try worker.component(meaning, in: directory, name, Naming.versionsName),
            let node = try node(of: component, worker)
        else { return worker.replyNone(request, current.entryTimeout) }
        worker.reply(request, directory: node, current)
    }

    /// The directory of a component: that of the keys below it, else that of the key's versions.
    func node(of component: [UInt8], _ worker: RequestWorker) throws -> UInt64? {
        var child: Int64 = 0
        try (component + [UInt8(ascii: "/")]).withUnsafeBytes { bytes in
            try worker.reader.rows(bytes, in: directory) { child = $0.child }
        }
        if child != 0 { try worker.reader.expectBelow(directory, child) }
        if child != 0 { return Node.directoryId(child, ViewTable.versions) }
        var first: Int64?
        try component.withUnsafeBytes { bytes in
            try worker.reader.rows(bytes, in: directory) { row in
                if first == nil, !row.isDirectory { first = row.slot }
            }
        }
        return first.flatMap { Node.keyId(directory, $0) }
    }

    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) throws -> Bool {
        let isBeginning =
            position < DirectoryListing.Position.rows || position >= DirectoryListing.Position.versions
        if isBeginning {
            guard try files(worker).list(&listing, after: position, current, worker) else { return false }
        }
        guard var last = isBeginning ? [] : try resume(directory, after: position, worker) else { return true }
        let batch = last
        var lastPosition = isBeginning ? DirectoryListing.Position.rows : position
        let cursor = try worker.reader.cursor()
        cursor.seek(directory: directory, from: isBeginning ? [] : last + [0])
        defer { cursor.close() }
        var isFirst = isBeginning
        while try cursor.next() {
            let row = cursor.row
            // All rows of a name are one entry.
            if !isFirst, last.withUnsafeBytes({ $0.isEqual(to: row.name) }) { continue }
            let name = Array(row.name)
            let next = DirectoryListing.Position.after(row.slot)
            let isAdded: Bool
            if row.isDirectory {
                try worker.reader.expectBelow(directory, row.child)
                let component = Array(name.dropLast())
                // A key of the same name came before, with this directory's node.
                guard try !hasVersions(component, worker),
                    let node = Node.directoryId(row.child, ViewTable.versions)
                else { continue }
                isAdded = worker.add(&listing, Naming.versionsName(component), directory: node, current, next)
            } else {
                guard let node = try node(of: name, worker) else { continue }
                isAdded = worker.add(&listing, Naming.versionsName(name), directory: node, current, next)
            }
            if !isAdded {
                worker.files.resumePoints.insert(id, from: batch, to: last, at: lastPosition)
                return false
            }
            isFirst = false
            last = name
            lastPosition = next
        }
        return true
    }

    private func hasVersions(_ name: [UInt8], _ worker: RequestWorker) throws -> Bool {
        var isThere = false
        try name.withUnsafeBytes { bytes in
            try worker.reader.rows(bytes, in: directory) { row in if !row.isDirectory { isThere = true } }
        }
        return isThere
    }
}
