import CLinux
import Glibc

extension File {
    /// Creates a file without a name (`O_TMPFILE`), open for reading and writing: it vanishes when it is closed or the
    /// process ends, however it ends.
    public static func unnamed(in directory: String) throws(IcecoreError) -> File {
        if let file = try? File(directory, O_RDWR | icecore_o_tmpfile, mode: 0o600) { return file }
        // A file system without O_TMPFILE: a name for a moment.
        let path = "\(directory)/\(getpid())-\(UInt64.random(in: 0 ... .max)).unnamed"
        do {
            let file = try File(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            try Files.remove(path)
            return file
        } catch {
            throw .system("cannot create a temporary file in", directory, errno: error.errno)
        }
    }
}
