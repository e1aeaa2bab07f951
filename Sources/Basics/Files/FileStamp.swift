import Glibc

/// What tells, without reading a file, whether it is still what it was: which file it is, its size, and when it changed.
public struct FileStamp: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    /// In nanoseconds since 1970. Whoever writes to a file can set the first back, but not the second.
    private let modified: Int64
    private let changed: Int64
    /// File systems count time in ticks, and what is changed twice within one has one time for both.
    private let isOld: Bool

    public static func == (left: FileStamp, right: FileStamp) -> Bool {
        (left.device, left.inode, left.size, left.modified, left.changed)
            == (right.device, right.inode, right.size, right.modified, right.changed)
    }

    /// Follows symbolic links.
    public init(_ path: String) throws(IcecoreError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system("cannot look at", path, errno: errno) }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = FileStamp.nanoseconds(status.st_mtim)
        changed = FileStamp.nanoseconds(status.st_ctim)
        isOld = Timestamp.now().milliseconds - changed / 1_000_000 > 2000
    }

    /// Whether the file is certainly unchanged in a later stamp.
    public func holds(in later: FileStamp) -> Bool {
        isOld && self == later
    }

    /// The same for a later stamp of another name of the file. The name was given to it after this stamp, and that counts
    /// as a change, too: what is compared are the file, its size, and when its content changed.
    public func holds(inLinkOf later: FileStamp) -> Bool {
        isOld && (device, inode, size, modified) == (later.device, later.inode, later.size, later.modified)
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        let (seconds, isLarge) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        return isLarge ? .max : seconds &+ Int64(time.tv_nsec)
    }
}
