import Basics
import CFuse3
import Glibc
import Model

extension Worker {
    /// The attributes of a file.
    @inline(__always)
    func fill(_ status: inout stat, _ record: borrowing RowRecord) {
        status = stat()
        status.st_ino = UInt(record.node)
        // A delete marker is nothing that could be read.
        status.st_mode = record.flags.contains(.marker) ? S_IFREG : S_IFREG | 0o444
        status.st_nlink = 1
        status.st_uid = files.owner.user
        status.st_gid = files.owner.group
        status.st_size = Int(record.size)
        status.st_blocks = Int(record.size / 512 + (record.size % 512 == 0 ? 0 : 1))
        status.st_blksize = 4096
        let time = timespec(milliseconds: record.lastModified)
        status.st_mtim = time
        status.st_ctim = time
        status.st_atim = time
    }

    /// The attributes of a directory. One link says, as on other file systems that do not count them, that the number
    /// of its subdirectories is not known.
    @inline(__always)
    func fill(_ status: inout stat, directory node: UInt64, _ time: timespec) {
        status = stat()
        status.st_ino = UInt(node)
        status.st_mode = S_IFDIR | 0o555
        status.st_nlink = 1
        status.st_uid = files.owner.user
        status.st_gid = files.owner.group
        status.st_blksize = 4096
        status.st_mtim = time
        status.st_ctim = time
        status.st_atim = time
    }

    func fillReadme(_ status: inout stat, _ time: timespec) {
        fill(&status, directory: Node.readmeId, time)
        status.st_mode = S_IFREG | 0o444
        status.st_size = HistoryReadme.text.utf8.count
        status.st_blocks = (HistoryReadme.text.utf8.count + 511) / 512
    }

    func getattr(_ request: Request, _ id: UInt64) throws {
        guard let node = Node(id, hasHistory: files.hasHistory) else { return fail(request, ENOENT) }
        var status = stat()
        switch node {
        case .row(let directory, let slot):
            guard let record = try record(id, directory: directory, slot: slot) else { return fail(request, ESTALE) }
            fill(&status, record)
            fuse_reply_attr(request, &status, FileSystem.forever)
        case .readme:
            guard let current = try view(ViewTable.versions) else { return fail(request, ESTALE) }
            fillReadme(&status, current.time)
            fuse_reply_attr(request, &status, FileSystem.forever)
        case .directory, .key, .top, .at:
            guard let current = try view(of: node) else { return fail(request, ESTALE) }
            fill(&status, directory: id, current.time)
            fuse_reply_attr(request, &status, files.directoryTimeout(id, current.source))
        }
    }

    /// The view that a directory belongs to; that of `versions/` for what belongs to none.
    func view(of node: Node) throws -> CurrentView? {
        if case .directory(_, let number) = node { return try view(number) }
        return try view(ViewTable.versions)
    }

    func statfs(_ request: Request) throws {
        var totals: (keys: Int64, bytes: Int64) = (0, 0)
        // For an instant the newest snapshot's figures: nobody counted those of every instant.
        let id: Int64
        if case .snapshot(let own) = files.views.ownSource { id = own } else { id = reader.timeline.newest?.id ?? 0 }
        totals = try nodes.totals(ofSnapshot: id)
        var status = statvfs()
        status.f_bsize = 4096
        status.f_frsize = 4096
        status.f_blocks = UInt((max(0, totals.bytes) + 4095) / 4096)
        status.f_files = UInt(max(0, totals.keys))
        status.f_namemax = UInt(Naming.limit)
        status.f_flag = UInt(ST_RDONLY)
        fuse_reply_statfs(request, &status)
    }

    @inline(__always)
    func fail(_ request: Request, _ number: Int32) {
        fuse_reply_err(request, number)
    }
}
