import CFuse3
import Glibc

/// Under `versions/`, the directory of a key that is not also the path of a directory: one file for each version.
struct KeyDirectory: DirectoryNode {
    let id: UInt64
    let directory: Int64
    /// Of the key's first row.
    let slot: Int64

    private func files(_ worker: RequestWorker) throws -> VersionFiles {
        guard let node = Node.objectId(directory, slot),
            try worker.record(node, directory: directory, slot: slot) != nil
        else { return VersionFiles() }
        return try VersionFiles(of: worker.name, in: directory, worker)
    }

    func isShown(_ worker: RequestWorker) throws -> Bool {
        guard let node = Node.objectId(directory, slot),
            try worker.record(node, directory: directory, slot: slot) != nil
        else { return false }
        // Of the slots of a key, and its directory if it has one, only one is its node.
        return try VersionsDirectory(directory)?.node(of: worker.name, worker) == id
    }

    func lookupParent(_ request: Request, _ worker: RequestWorker) throws {
        guard let parent = VersionsDirectory(directory) else { return worker.fail(request, ESTALE) }
        try parent.lookupSelf(request, worker)
    }

    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) throws {
        guard let current = try view(worker) else { return worker.fail(request, ESTALE) }
        if try files(worker).answer(name, current, request, worker) { return }
        worker.replyNone(request, current.entryTimeout)
    }

    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) throws -> Bool {
        try files(worker).list(&listing, after: position, current, worker)
    }

    func extendedAttributes(_ worker: RequestWorker) throws -> [ExtendedAttribute]? {
        guard let node = Node.objectId(directory, slot) else { return nil }
        return try worker.withRow(node, directory: directory, slot: slot) { row in
            let prefix = try worker.reader.prefix(of: directory) ?? []
            return [ExtendedAttribute("key", prefix + Array(row.name))]
        }
    }
}
