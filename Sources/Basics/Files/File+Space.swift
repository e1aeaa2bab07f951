import CLinux
import Glibc

extension File {
    /// Creates a file that is in memory only, of which it takes what was written; it vanishes when it is closed.
    public static func inMemory(size: Int64) throws(IcecoreError) -> File {
        let descriptor = try systemCall("cannot create", "a file in memory") {
            memfd_create("icecore", icecore_mfd_cloexec)
        }
        let file = File(descriptor: descriptor, path: "/proc/self/fd/\(descriptor)")
        try systemCall("cannot enlarge", file.path) { ftruncate(descriptor, off_t(size)) }
        return file
    }

    /// Gives back the room of some bytes, which are zeros from then on.
    public borrowing func release(_ range: Range<Int64>) throws(IcecoreError) {
        let descriptor = self.descriptor
        try systemCall("cannot release a part of", path) {
            fallocate(
                descriptor, icecore_punch_hole | icecore_keep_size, off_t(range.lowerBound),
                off_t(range.upperBound - range.lowerBound))
        }
    }
}

extension Files {
    /// Makes an open file so long, with blocks for all of it.
    ///
    /// - Throws: also where the file system cannot promise blocks.
    public static func allocate(_ bytes: Int64, in descriptor: Int32) throws(IcecoreError) {
        try systemCall("cannot reserve", "room") { fallocate(descriptor, 0, 0, off_t(bytes)) }
    }

    /// Sees to it that a file has blocks for its first bytes, whether or not it is that long. A file system that cannot
    /// promise that is believed.
    public static func reserve(_ bytes: Int64, in descriptor: Int32, _ path: String) throws(IcecoreError) {
        try systemCall("cannot reserve room for", path) {
            let status = fallocate(descriptor, icecore_keep_size, 0, off_t(bytes))
            return status != 0 && [EOPNOTSUPP, ENOSYS, EINVAL, EBADF].contains(errno) ? 0 : status
        }
    }
}
