import CLinux
import Glibc

/// A file system that several machines can mount at the same time.
///
/// flock(2) works between them only where the server keeps the locks: NFS does so unless mounted otherwise; for the others
/// there is no way to tell. Cluster file systems (Ceph, GFS2, OCFS2) share locks among all machines and are not listed.
public struct FileSystemKind {
    public let name: String
    /// Whether locks held by other machines are visible here.
    public let carriesLocks: Bool

    private static let names: [UInt32: String] = [
        0x6969: "NFS", 0x517b: "SMB", 0xff53_4d42: "CIFS", 0xfe53_4d42: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x786f_4256: "vboxsf", 0x0bd0_0bd0: "Lustre", 0x5346_414f: "AFS", 0x6b41_4653: "AFS", 0x7375_7245: "Coda",
    ]

    /// Nil for a file system that only this machine uses.
    public init?(of file: borrowing File) {
        guard let name = FileSystemKind.names[icecore_file_system(file.descriptor)] else { return nil }
        self.name = name
        carriesLocks = name == "NFS" && FileSystemKind.locksAreOnServer(file)
    }

    /// Whether the mount has the option `local_lock=none`, not `flock` or `all` (as with `nolock`).
    private static func locksAreOnServer(_ file: borrowing File) -> Bool {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0,
            let table = try? Files.read("/proc/self/mountinfo", limit: 1 << 26)
        else { return false }
        // As major() and minor() of <sys/sysmacros.h>.
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
