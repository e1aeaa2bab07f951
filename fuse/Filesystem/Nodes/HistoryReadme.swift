import CFuse3
import Glibc

/// The `README.txt` that explains a mount with `--history`.
struct HistoryReadme: FileNode {
    static let text = """
        This is an S3 bucket with its past, mounted read-only by icecore.

        latest/      the bucket as the newest synced inventory lists it. It follows each 'icecore sync'.
        at/          the bucket as it was. The listing shows the synced inventories; any other date opens when named:
                         at/2024-11-06T01-00Z        exactly what this inventory lists
                         at/2024-11-06               the last inventory of that day, else the end of that day (UTC)
                         at/2024-11-06T12:00:00Z     what was current at that instant, by all versions known
                         at/3d, at/2w, at/1y         that long ago (counted from now, every minute)
        versions/    every version of every key: versions/<path of the key>/<lastModified>_<versionId>
                         A delete marker is an empty file that nobody can read (mode 0000).
                         An unknown version id leaves nothing after the '_'.

        Each file says where it comes from:

            getfattr -d -m user.icecore FILE

        Keys that are not possible paths (a//b, ., .., a beside a/b, very long names) have names that begin with
        '.icecore-'; docs/SEMANTICS-mount.md explains them. user.icecore.key always holds the key itself.

        """

    static func fill(_ status: inout stat, _ time: timespec, _ worker: RequestWorker) {
        worker.fill(&status, directory: Node.readmeId, time)
        status.st_mode = S_IFREG | 0o444 & worker.files.mask
        status.st_size = text.utf8.count
        status.st_blocks = (text.utf8.count + 511) / 512
    }

    /// Its entry in the root.
    static func entry(_ current: CurrentView, _ worker: RequestWorker) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = Node.readmeId
        fill(&entry.attr, current.time, worker)
        entry.attr_timeout = FileSystem.forever
        entry.entry_timeout = current.entryTimeout
        return entry
    }

    func lookupSelf(_ request: Request, _ worker: RequestWorker) throws {
        guard let current = try worker.view(ViewTable.versions) else { return worker.fail(request, ESTALE) }
        var entry = HistoryReadme.entry(current, worker)
        fuse_reply_entry(request, &entry)
    }

    func getattr(_ request: Request, _ worker: RequestWorker) throws {
        guard let current = try worker.view(ViewTable.versions) else { return worker.fail(request, ESTALE) }
        var status = stat()
        HistoryReadme.fill(&status, current.time, worker)
        fuse_reply_attr(request, &status, FileSystem.forever)
    }

    func read(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) {
        var text = HistoryReadme.text
        text.withUTF8 { bytes in
            let from = min(max(0, Int(offset)), bytes.count)
            let length = min(count, bytes.count - from)
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[from..<from + length]).withMemoryRebound(
                to: CChar.self
            ) { _ = fuse_reply_buf(request, $0.baseAddress, length) }
        }
    }
}
