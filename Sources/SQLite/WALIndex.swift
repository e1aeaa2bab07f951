import Basics
import Glibc

/// The file that SQLite maps into memory beside a database with a write-ahead log (`-shm`).
///
/// SQLite makes sure of its blocks by a byte in every 4 KiB of it. Where blocks are smaller (1 KiB on small ext4 file
/// systems), the others are found when they are touched, and a disk that is full then kills the process by SIGBUS.
public enum WALIndex {
    /// What a log of up to 16 MiB needs.
    private static let least: Int64 = 32 << 10

    private static func room(_ path: String) -> FreeSpace? {
        guard let room = try? FreeSpace(Files.directory(of: path)), room.blockSize < 4096 else { return nil }
        return room
    }

    /// Refuses to open a database for writing where the disk has no room for the file.
    public static func checkRoom(beside path: String) throws(IcecoreError) {
        guard let room = room(path), room.bytes < least + 8192 else { return }
        var status = stat()
        // It is there, and has its blocks.
        if lstat("\(path)-shm", &status) == 0, Int64(status.st_blocks) * 512 >= least { return }
        throw IcecoreError(
            .noSpace,
            "cannot open '\(path)' for writing: the disk is full: \(room.bytes) bytes are free, 40960 are needed")
    }

    /// Gives the file the blocks that it may need, once it is there.
    public static func reserve(beside path: String) throws(IcecoreError) {
        guard room(path) != nil else { return }
        let shared = "\(path)-shm"
        var file = stat()
        guard stat(shared, &file) == 0 else { return }
        let log = (Files.size(path) ?? 0) / 512
        // By SQLite's own descriptor: to close another one would give up its locks.
        guard let names = try? Files.names(in: "/proc/self/fd") else { return }
        for descriptor in names.compactMap({ Int32($0) }) {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_ino == file.st_ino, status.st_dev == file.st_dev else {
                continue
            }
            return try Files.reserve(least + log / least * least, in: descriptor, shared)
        }
    }
}
