import CFuse3
import Glibc
import Index
import Model

/// `at/`: it lists the snapshots, and `at/WHEN` opens for any other date.
struct DatesDirectory: DirectoryNode {
    let id = Node.datesId

    func lookupParent(_ request: Request, _ worker: RequestWorker) throws {
        try HistoryRoot().lookupSelf(request, worker)
    }

    /// A WHEN that cannot be resolved does not exist.
    func lookup(_ bytes: [UInt8], _ request: Request, _ worker: RequestWorker) throws {
        guard let versions = try view(worker) else { return worker.fail(request, ESTALE) }
        let reader = worker.reader
        let name = String(decoding: bytes, as: UTF8.self)
        var timeout = versions.entryTimeout
        var number: UInt32?
        if let point = reader.timeline.kept.first(where: { $0.name == name }) {
            number = ViewTable.number(ofSnapshot: point.id)
        } else if let when = try? When(name) {
            var source: ViewSource?
            switch when {
            case .latest: source = .latest
            case .age:
                timeout = min(timeout, FileSystem.ageTimeout)
                source = (try? reader.view(when)).map(ViewSource.init)
            default: source = (try? reader.view(when)).map(ViewSource.init)
            }
            number = source.map { worker.files.views.number(of: name, $0) }
        }
        guard let number, var current = try worker.view(number),
            let node = Node.directoryId(IndexReader.root, number)
        else { return worker.replyNone(request, timeout) }
        // A date that is an instant today becomes a snapshot once one of that day is synced.
        current.entryTimeout = timeout
        worker.reply(request, directory: node, current)
    }

    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ versions: CurrentView, _ worker: RequestWorker
    ) throws -> Bool {
        // In the order of ids: a snapshot that is synced during a listing comes last, whatever its date.
        for point in worker.reader.timeline.kept.sorted(by: { $0.id < $1.id }) {
            let next = DirectoryListing.Position.after(point.id)
            let name = Array(point.name.utf8)
            guard next > position, name.withUnsafeBytes(Naming.isPlain), !name.contains(UInt8(ascii: "/")),
                let number = ViewTable.number(ofSnapshot: point.id), var current = try worker.view(number),
                let node = Node.directoryId(IndexReader.root, number)
            else { continue }
            current.entryTimeout = versions.entryTimeout
            guard worker.add(&listing, name, directory: node, current, next) else { return false }
        }
        return true
    }
}
