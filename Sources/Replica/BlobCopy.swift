import Basics
import Download
import Glibc
import Model

/// The digest that a blob's name promises, computed while its bytes pass.
struct BlobDigest: ~Copyable {
    private let name: BlobName
    private var md5 = MD5()
    private var sha256 = SHA256()
    private var parted: PartedMD5?
    private let isUnknown: Bool

    /// - Parameter partSize: what is recorded of a multipart upload; without it nothing can be said in one pass.
    init(_ name: BlobName, partSize: Int64?) {
        self.name = name
        isUnknown = BlobDigest.needsPartSize(name) && (partSize ?? 0) <= 0
        if case .etag(let etag, _) = name, etag.parts > 0, let partSize, partSize > 0 {
            parted = PartedMD5(partSize: partSize)
        } else {
            parted = nil
        }
    }

    static func needsPartSize(_ name: BlobName) -> Bool {
        if case .etag(let etag, _) = name { return etag.parts > 0 }
        return false
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch name {
        case .sha256: sha256.update(bytes)
        case .etag(let etag, _): if etag.parts == 0 { md5.update(bytes) } else { parted?.update(bytes) }
        }
    }

    /// What is wrong with the content; nil: nothing that could be found.
    consuming func problem() -> String? {
        if isUnknown { return nil }
        switch name {
        case .sha256(let expected, _):
            return sha256.finalize() == expected ? nil : "its SHA-256 is not the one in its name"
        case .etag(let etag, _):
            if etag.parts == 0 { return md5.finalize() == etag.md5 ? nil : "its MD5 is not the one in its name" }
            guard let digest = parted.take() else { return nil }
            let result = digest.finalize()
            return result.count == etag.parts && result.md5 == etag.md5 ? nil : "its parts do not give its name"
        }
    }
}

enum BlobCopy {
    /// The source is not what its name says.
    struct Damage: Error {
        var reason: String
    }

    /// Copies a blob, and checks on the way that it is what its name says. The copy is not durable yet.
    ///
    /// - Throws: ``Damage``, in which case the copy is of no use.
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
        // A FIFO must not be waited for, so the file is looked at first, and again when it is open.
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { throw Damage(reason: "it has vanished") }
            throw Damage(reason: "\(IcecoreError.system("cannot examine", path, errno: errno))")
        }
        let size = status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : -1
        guard size == name.size else { throw Damage(reason: "it is no file of \(name.size) bytes") }
        if access(path, R_OK) != 0 {
            throw Damage(reason: "\(IcecoreError.system("cannot open", path, errno: errno))")
        }
        let file = try File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard try file.size() == name.size else { throw Damage(reason: "it is no file of \(name.size) bytes") }
        return file
    }
}
