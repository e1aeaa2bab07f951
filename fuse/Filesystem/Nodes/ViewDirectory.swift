import Basics
import CFuse3
import Glibc
import Index
import Model

/// A directory as one view shows it. The root of a mount of one view is one, and so are `latest/` and `at/WHEN/`.
struct ViewDirectory: DirectoryNode {
    let id: UInt64
    let directory: Int64
    /// Of the view.
    let number: UInt32

    func view(_ worker: RequestWorker) throws -> CurrentView? { try worker.view(number) }

    /// A directory has a row for as long as something below it is shown.
    func isShown(_ worker: RequestWorker) throws -> Bool {
        if directory == IndexReader.root { return true }
        guard let current = try view(worker), let above = try worker.nodes.parent(of: directory, { ($0, Array($1)) })
        else { return false }
        return try above.1.withUnsafeBytes {
            try worker.reader.find($0, in: above.0, current.view)?.child == directory
        }
    }

    func lookupParent(_ request: Request, _ worker: RequestWorker) throws {
        let hasHistory = worker.files.hasHistory
        if directory == IndexReader.root {
            if !hasHistory { return try lookupSelf(request, worker) }
            if number == ViewTable.own { return try HistoryRoot().lookupSelf(request, worker) }
            return try worker.replyDates(request, toParentOf: number)
        }
        guard let above = try worker.nodes.parent(of: directory, { above, _ in above }),
            let node = Node.directoryId(above, number, hasHistory: hasHistory)
        else { return worker.fail(request, ESTALE) }
        try ViewDirectory(id: node, directory: above, number: number).lookupSelf(request, worker)
    }

    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) throws {
        guard let current = try view(worker) else { return worker.fail(request, ESTALE) }
        guard let meaning = Naming.meaning(name) else { return worker.replyNone(request, current.entryTimeout) }
        if meaning == .object {
            if let record = try twin(current.view, worker) {
                return worker.reply(request, record, current.entryTimeout)
            }
            return worker.replyNone(request, current.entryTimeout)
        }
        let scan = worker.scan
        guard let component = try worker.component(meaning, in: directory, name, Naming.fileName),
            try scan.find(component, in: directory, current.view)
        else { return worker.replyNone(request, current.entryTimeout) }
        if scan.child == 0 {
            guard let record = scan.record else { return worker.fail(request, EOVERFLOW) }
            component.withUnsafeBytes { worker.files.rows.insert(record, name: $0) }
            let isRead = worker.files.habits.withLock { $0.lookUp(fuse_req_ctx(request).pointee.pid) }
            worker.reply(request, record, current.entryTimeout)
            // Once the answer is out, the reader is busy for a moment.
            if isRead, worker.files.hasPacks, record.size <= NeighbourFeeder.largest, let etag = record.etag {
                try worker.blobs.prepare(.etag(etag, size: record.size))
            }
        } else {
            guard let node = Node.directoryId(scan.child, number) else { return worker.fail(request, EOVERFLOW) }
            worker.reply(request, directory: node, current)
        }
    }

    func list(
        _ listing: inout DirectoryListing, after position: Int64, _ current: CurrentView, _ worker: RequestWorker
    ) throws -> Bool {
        if position < DirectoryListing.Position.object, let record = try twin(current.view, worker) {
            guard worker.add(&listing, Naming.object, record, current, DirectoryListing.Position.object) else {
                return false
            }
        }
        guard var start = try resume(directory, after: position, worker) else { return true }
        let batch = start
        var lastPosition = position
        let scan = worker.scan
        scan.seek(directory, current.view, from: start, isAfter: position >= DirectoryListing.Position.rows)
        defer { scan.close() }
        while try scan.next() {
            let next = DirectoryListing.Position.after(scan.slot)
            let isAdded: Bool
            if scan.child == 0 {
                // A file without an inode number cannot be shown; a look-up says EOVERFLOW.
                guard let record = scan.record else { continue }
                isAdded = scan.name.withUnsafeBytes { bytes in
                    guard Naming.isPlain(bytes) else {
                        return worker.add(&listing, Naming.fileName(scan.name), record, current, next)
                    }
                    return worker.add(&listing, scan.name, record, current, next)
                }
                if isAdded, listing.hasAttributes || listing.knowsSmallFiles {
                    scan.name.withUnsafeBytes { worker.files.rows.insert(record, name: $0) }
                }
            } else {
                guard let node = Node.directoryId(scan.child, number) else { continue }
                isAdded = worker.add(&listing, Naming.fileName(Array(scan.component)), directory: node, current, next)
            }
            if !isAdded {
                worker.files.resumePoints.insert(id, from: batch, to: start, at: lastPosition)
                return false
            }
            lastPosition = next
            start.removeAll(keepingCapacity: true)
            start.append(contentsOf: scan.name)
        }
        return true
    }

    func extendedAttributes(_ worker: RequestWorker) throws -> [ExtendedAttribute]? {
        guard let current = try view(worker) else { return nil }
        let snapshot = Array(current.view.name.utf8)
        // The zero-size `a/` is the directory `a`, with its attributes.
        var found: [ExtendedAttribute]?
        let noName = UnsafeRawBufferPointer(start: nil, count: 0)
        if directory != IndexReader.root, let row = try worker.reader.find(noName, in: directory, current.view),
            row.size == 0
        {
            found = try ExtendedAttribute.all(row, in: directory, snapshot: snapshot, worker.reader)
        }
        return found ?? [ExtendedAttribute("snapshot", snapshot)]
    }

    /// The object of the same name as the directory, where the view shows both: `.icecore-object`.
    private func twin(_ view: View, _ worker: RequestWorker) throws -> RowRecord? {
        guard let above = try worker.nodes.parent(of: directory, { ($0, Array($1.dropLast())) }) else { return nil }
        return try above.1.withUnsafeBytes { bytes -> RowRecord? in
            guard let row = try worker.reader.find(bytes, in: above.0, view), DirectoryScan.isFile(row, in: above.0),
                let node = Node.objectId(above.0, row.slot)
            else { return nil }
            let record = RowRecord(row, node: node)
            worker.files.rows.insert(record, name: row.name)
            return record
        }
    }
}
