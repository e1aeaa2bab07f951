import CSystem
import Glibc

/// A file system that several machines can have mounted at the same time.
///
/// flock(2) holds between them only where its locks are kept on the server: NFS does so unless it was told not to; of others
/// nobody can tell from here. Cluster file systems (Ceph, GFS2, OCFS2) keep them among all machines, and are not listed.
public struct FileSystemKind {
    public let name: String
    /// Whether a lock that another machine holds is seen here.
    public let carriesLocks: Bool

    private static let names: [UInt32: String] = [
        0x6969: "NFS", 0x517b: "SMB", 0xff53_4d42: "CIFS", 0xfe53_4d42: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x786f_4256: "vboxsf", 0x0bd0_0bd0: "Lustre", 0x5346_414f: "AFS", 0x6b41_4653: "AFS", 0x7375_7245: "Coda",
    ]

    /// Nil for a file system of this machine alone.
    public init?(of file: borrowing File) {
        guard let name = FileSystemKind.names[icecore_file_system(file.descriptor)] else { return nil }
        self.name = name
        carriesLocks = name == "NFS" && FileSystemKind.locksAreOnServer(file)
    }

    /// What the mount says: `local_lock=none`, not `flock` or `all` (which `nolock` is).
    private static func locksAreOnServer(_ file: borrowing File) -> Bool {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0,
            let table = try? Files.read("/proc/self/mountinfo", limit: 1 << 26)
        else { return false }
        // As <sys/sysmacros.h> divides it.
        let device = UInt64(status.st_dev)
        let major = (device >> 8) & 0xfff | (device >> 32) & ~0xfff
        let minor = device & 0xff | (device >> 12) & ~0xff
        return String(decoding: table, as: UTF8.self).split(separator: "\n").contains { line in
            let words = line.split(separator: " ")
            return words.count > 2 && words[2] == "\(major):\(minor)"
                && words.last?.split(separator: ",").contains("local_lock=none") == true
        }
    }
}
