import CLinux
import Glibc

/// What an unprivileged process can still put on a file system.
public struct FreeSpace: Sendable, Equatable {
    public var bytes: Int64
    /// How many files can be created; nil where there is no such limit, or the file system does not tell it.
    public var files: Int64?
    /// How many bytes a file takes at least, and a multiple of which it always takes; 1 where that is not known, or where
    /// small files share a block.
    public var unit: Int64
    /// The size of the file system in bytes; 0 where that is not known.
    public var total: Int64 = 0
    /// What the file system hands out space in, whether or not files share it.
    public var blockSize: Int64 = 1

    public init(bytes: Int64, files: Int64?, unit: Int64) {
        self.bytes = bytes
        self.files = files
        self.unit = max(1, unit)
    }

    /// The free space around an existing path.
    public init(_ path: String) throws(IcecoreError) {
        let file = try File(path, O_RDONLY | O_NONBLOCK)
        var status = statvfs()
        let descriptor = file.descriptor
        try systemCall("cannot examine", path) { fstatvfs(descriptor, &status) }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        // Btrfs and others make inodes as they need them, and count none.
        let counts = status.f_files > 0 && (status.f_favail > 0 || FileSystemKind(of: file) == nil)
        let roundsUp = FreeSpace.blockwise.contains(icecore_file_system(descriptor))
        self.init(
            bytes: overflow ? .max : Int64(clamping: bytes), files: counts ? Int64(clamping: status.f_favail) : nil,
            unit: roundsUp ? Int64(clamping: status.f_frsize) : 1)
        let size = UInt64(status.f_blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        total = size.overflow ? .max : Int64(clamping: size.partialValue)
        blockSize = max(1, Int64(clamping: status.f_frsize))
    }

    /// What is left to others, and to the index: nothing that need not be kept may take the last of a disk.
    public var reserve: Int64 { min(64 << 20, total / 20) }

    /// ext2 to ext4, XFS, F2FS, tmpfs, exFAT, FAT. Others pack small files (Btrfs, NTFS, ZFS), or report a block size of
    /// another kind (NFS).
    private static let blockwise: Set<UInt32> = [
        0xef53, 0x5846_5342, 0xf2f5_2010, 0x0102_1994, 0x2011_bab0, 0x4d44,
    ]
}
