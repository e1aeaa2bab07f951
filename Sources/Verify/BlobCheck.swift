import Basics
import Download
import Glibc
import Model

/// Checks blobs against their names. Each thread has its own.
final class BlobCheck {
    private let read: (Int) throws -> Void
    private let parts: (ETag, Int64) -> PartLayout?
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - parts: the recorded parts of a multipart upload, if there are any.
    ///   - read: called with the length of every piece that was read; may wait, or throw.
    init(parts: @escaping (ETag, Int64) -> PartLayout?, read: @escaping (Int) throws -> Void) {
        self.parts = parts
        self.read = read
        buffer = .allocate(byteCount: 1 << 20, alignment: 4096)
    }

    deinit {
        buffer.deallocate()
    }

    /// - Parameter directory: a descriptor of the directory that has the file. No link is followed.
    func check(_ name: String, _ blob: BlobName, in directory: Int32, status: inout stat) throws -> FileCondition {
        // Without O_NONBLOCK a FIFO would block.
        let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { return try BlobCheck.condition(errno, name) }
        defer { close(descriptor) }
        guard fstat(descriptor, &status) == 0 else { return try BlobCheck.condition(errno, name) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .damaged("is not a regular file") }
        guard Int64(status.st_size) == blob.size else { return .damaged("has \(status.st_size.of("byte"))") }
        do {
            return try check(descriptor, blob, name)
        } catch let trouble as Trouble {
            return try BlobCheck.condition(trouble.number, name)
        }
    }

    private func check(_ descriptor: Int32, _ blob: BlobName, _ name: String) throws -> FileCondition {
        let expected: ExpectedDigest
        let damage: String
        switch blob {
        case .sha256(let digest, _):
            expected = .sha256(digest)
            damage = "has another SHA-256"
        case .etag(let etag, let size) where etag.parts == 0:
            expected = .etag(etag, size: size)
            damage = "has another MD5"
        case .etag(let etag, let size):
            // What is recorded may be wrong, or lost with the index: the usual sizes are tried as well.
            let recorded = parts(etag, size)
            expected = .etag(etag, size: size, parts: recorded, isCertain: false)
            damage =
                "has parts with other MD5s"
                + (recorded == nil ? ", or of a size that is neither recorded nor usual" : "")
        }
        var digest = ContentDigest(expected)
        try content(descriptor, blob.size, name) { digest.update($0) }
        switch try digest.verdict(again: { try content(descriptor, blob.size, name, $0) }) {
        case .checked, .opaque: return .sound
        case .undecided, .wrong: return .damaged(damage)
        }
    }

    private struct Trouble: Error {
        let number: Int32
    }

    private func content(
        _ descriptor: Int32, _ size: Int64, _ name: String, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws {
        if size > 1 << 20 { posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL) }
        var offset: Int64 = 0
        while offset < size {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count < 0 {
                if errno == EINTR { continue }
                throw Trouble(number: errno)
            }
            if count == 0 { break }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
            try read(count)
        }
    }

    /// What errno of a failed call says of a file. Errors that are this machine's rather than the file's are thrown.
    static func condition(_ number: Int32, _ name: String) throws -> FileCondition {
        switch number {
        case ENOENT: return .vanished
        case ELOOP: return .damaged("is a symbolic link")
        case ENXIO, ENODEV: return .damaged("is not a regular file")
        case EACCES, EPERM: return .unreadable("cannot be read: \(String(cString: strerror(number)))")
        case EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN:
            throw IcecoreError.system("cannot open", name, errno: number)
        case EIO: return .failing("cannot be read: \(String(cString: strerror(number)))")
        default: return .damaged("cannot be read: \(String(cString: strerror(number)))")
        }
    }
}
