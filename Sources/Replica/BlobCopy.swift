import Basics
import Glibc
import Model

enum BlobCopy {
    /// The blob is not what its name says.
    struct Damage: Error {
        var reason: String
    }

    /// Copies a blob, and checks on the way that it is what its name says. The copy is not durable yet.
    ///
    /// - Throws: ``Damage``: then the copy is useless.
    static func copy(
        _ source: String, to target: String, _ name: BlobName, partSize: Int64?, read: (Int) throws -> Void
    ) throws {
        let input = SharedFile(try open(source, name))
        let output = try File(target, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
        var digest = BlobDigest(name, partSize: partSize)
        var rest = name.size
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while rest > 0 {
                try Interruption.check()
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(rest, Int64(buffer.count)))])
                try BlobCopy.read(input, into: piece, at: name.size - rest)
                digest.update(UnsafeRawBufferPointer(piece))
                try output.write(UnsafeRawBufferPointer(piece))
                rest -= Int64(piece.count)
                try read(piece.count)
            }
        }
        if let problem = digest.problem() { throw Damage(reason: problem) }
        try output.close()
    }

    /// Opens a blob. No link is followed, and nothing but a file of the right size is accepted.
    static func open(_ path: String, _ name: BlobName) throws -> File {
        var status = stat()
        // Opening a FIFO could block, so the file is examined first, and again once it is open.
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { throw Damage(reason: "it has vanished") }
            throw Damage(reason: "\(IcecoreError.system("cannot examine", path, errno: errno))")
        }
        let size = status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : -1
        guard size == name.size else { throw Damage(reason: "it is not a file of \(name.size) bytes") }
        if access(path, R_OK) != 0 {
            throw Damage(reason: "\(IcecoreError.system("cannot open", path, errno: errno))")
        }
        let file = try File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard try file.size() == name.size else { throw Damage(reason: "it is not a file of \(name.size) bytes") }
        return file
    }
}
