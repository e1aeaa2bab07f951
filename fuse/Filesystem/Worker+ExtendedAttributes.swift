import Basics
import CFuse3
import Glibc
import Index

/// `user.icecore.key`, `.versionId`, `.etag`, `.lastModified`, `.snapshot`.
extension Worker {
    private static let prefix = "user.icecore."

    func getxattr(_ request: Request, _ id: UInt64, _ cName: UnsafePointer<CChar>, size: Int) throws {
        // 'ls -l' asks for an ACL and a label of each file, unless it was told that there are none on the whole device.
        guard strncmp(cName, "user.", 5) == 0 else { return fail(request, EOPNOTSUPP) }
        guard strncmp(cName, Worker.prefix, Worker.prefix.utf8.count) == 0 else { return fail(request, ENODATA) }
        let name = String(cString: cName)
        guard let attributes = try attributes(id) else { return fail(request, ESTALE) }
        guard let value = attributes.first(where: { $0.name == name })?.value else { return fail(request, ENODATA) }
        reply(request, value, size)
    }

    func listxattr(_ request: Request, _ id: UInt64, size: Int) throws {
        guard let attributes = try attributes(id) else { return fail(request, ESTALE) }
        reply(request, Array(attributes.map { "\($0.name)\0" }.joined().utf8), size)
    }

    private func reply(_ request: Request, _ value: [UInt8], _ size: Int) {
        if size == 0 {
            fuse_reply_xattr(request, value.count)
        } else if value.count > size {
            fail(request, ERANGE)
        } else {
            value.withUnsafeBytes { bytes in
                _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
        }
    }

    /// All attributes of a node; nil for one that is gone.
    private func attributes(_ id: UInt64) throws -> [(name: String, value: [UInt8])]? {
        guard let node = Node(id, hasHistory: files.hasHistory) else { return nil }
        switch node {
        case .row(let directory, let slot):
            return try withRow(id, directory: directory, slot: slot) { row in
                try attributes(row, in: directory, snapshot(row))
            }
        case .directory(_, ViewTable.versions), .top, .readme, .at: return []
        case .directory(let directory, let number):
            guard let current = try view(number) else { return nil }
            let snapshot = Array(current.view.name.utf8)
            // The zero-size `a/` is the directory `a`, with what it has.
            var found: [(name: String, value: [UInt8])]?
            let noName = UnsafeRawBufferPointer(start: nil, count: 0)
            if directory != IndexReader.root, let row = try reader.find(noName, in: directory, current.view),
                row.size == 0
            {
                found = try attributes(row, in: directory, snapshot)
            }
            return found ?? [("\(Worker.prefix)snapshot", snapshot)]
        case .key(let directory, let slot):
            guard let id = Node.row(directory, slot) else { return nil }
            return try withRow(id, directory: directory, slot: slot) { row in
                [("\(Worker.prefix)key", (try reader.prefix(of: directory) ?? []) + Array(row.name))]
            }
        }
    }

    private func attributes(
        _ row: borrowing EntryRow, in directory: Int64, _ snapshot: [UInt8]?
    ) throws -> [(name: String, value: [UInt8])] {
        var list: [(name: String, value: [UInt8])] = []
        func add(_ name: String, _ value: [UInt8]) { list.append(("\(Worker.prefix)\(name)", value)) }
        add("key", (try reader.prefix(of: directory) ?? []) + Array(row.name))
        if !row.versionIsUnknown { add("versionId", row.versionId.isEmpty ? Array("null".utf8) : Array(row.versionId)) }
        if let etag = row.etagValue { add("etag", Array(etag.description.utf8)) }
        add("lastModified", Array(row.lastModified.rfc3339.utf8))
        if let snapshot { add("snapshot", snapshot) }
        return list
    }

    /// What a file says of snapshots: in the mount of one view the view's name. With `--history` one file stands in
    /// many dates, so it says which was the newest snapshot to list its version.
    private func snapshot(_ row: borrowing EntryRow) throws -> [UInt8]? {
        if !files.hasHistory { return try view(ViewTable.own).map { Array($0.view.name.utf8) } }
        let points = reader.timeline.points
        if row.listedFrom == 0 { return nil }
        if row.listedTo == 0 { return points.last.map { Array($0.name.utf8) } }
        let rank = Int(reader.timeline.rank(of: row.listedTo))
        return points.indices.contains(rank - 1) ? Array(points[rank - 1].name.utf8) : nil
    }
}
