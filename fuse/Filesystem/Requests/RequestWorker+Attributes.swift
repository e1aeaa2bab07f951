import Basics
import CFuse3
import Glibc
import Model

extension RequestWorker {
    /// The attributes of a file.
    @inline(__always)
    func fill(_ status: inout stat, _ record: borrowing RowRecord) {
        status = stat()
        status.st_ino = UInt(record.node)
        // A delete marker has nothing to read.
        status.st_mode = record.flags.contains(.marker) ? S_IFREG : S_IFREG | 0o444 & files.mask
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

    /// The attributes of a directory. One link means, as on other file systems that do not count them, that the number
    /// of its subdirectories is not known.
    @inline(__always)
    func fill(_ status: inout stat, directory node: UInt64, _ time: timespec) {
        status = stat()
        status.st_ino = UInt(node)
        status.st_mode = S_IFDIR | 0o555 & files.mask
        status.st_nlink = 1
        status.st_uid = files.owner.user
        status.st_gid = files.owner.group
        status.st_blksize = 4096
        status.st_mtim = time
        status.st_ctim = time
        status.st_atim = time
    }

    /// STATFS.
    func statfs(_ request: Request) throws {
        var totals: (keys: Int64, bytes: Int64) = (0, 0)
        // For an instant the newest snapshot's figures: those of instants are not counted.
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
}
