import CFuse3
import Glibc
import Index

/// The root of a mount with `--history`: `README.txt`, `at/`, `latest/` and `versions/`.
struct HistoryRoot: DirectoryNode {
    let id = Node.rootId

    func lookupParent(_ request: Request, _ worker: RequestWorker) throws { try lookupSelf(request, worker) }

    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) throws {
        guard let versions = try worker.view(ViewTable.versions), let latest = try worker.view(ViewTable.own) else {
            return worker.fail(request, ESTALE)
        }
        switch String(decoding: name, as: UTF8.self) {
        case "README.txt":
            var entry = HistoryReadme.entry(versions, worker)
            entry.entry_timeout = FileSystem.forever
            fuse_reply_entry(request, &entry)
        case "at": worker.reply(request, directory: Node.datesId, versions)
        case "latest":
            guard let node = Node.directoryId(IndexReader.root, ViewTable.own) else {
                return worker.fail(request, EOVERFLOW)
            }
            worker.reply(request, directory: node, latest)
        case "versions":
            guard let node = Node.directoryId(IndexReader.root, ViewTable.versions) else {
                return worker.fail(request, EOVERFLOW)
            }
            worker.reply(request, directory: node, versions)
        default: worker.replyNone(request, FileSystem.forever)
        }
    }

    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) throws -> Bool {
        guard let latest = try worker.view(ViewTable.own) else { return true }
        let versions = current
        let root = IndexReader.root
        let entries: [(String, fuse_entry_param)] = [
            ("README.txt", HistoryReadme.entry(versions, worker)),
            ("at", worker.entry(directory: Node.datesId, versions)),
            ("latest", worker.entry(directory: Node.directoryId(root, ViewTable.own) ?? 0, latest)),
            ("versions", worker.entry(directory: Node.directoryId(root, ViewTable.versions) ?? 0, versions)),
        ]
        for (place, (name, entry)) in entries.enumerated() {
            let next = DirectoryListing.Position.after(Int64(place))
            var entry = entry
            if next <= position { continue }
            guard name.withCString({ listing.add($0, &entry, next) }) else { return false }
        }
        return true
    }
}
