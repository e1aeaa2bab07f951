import Basics
import Download
import Glibc
import Model

/// What came out of a look at a file that may be damaged.
public enum Verdict: Sendable, Equatable {
    case sound
    /// It is not what its name says; why, without a subject.
    case damaged(String)
    /// It may be right, but this process may not read it.
    case unreadable(String)
    /// The disk gives an error in place of the content.
    case failing(String)
    /// It was there a moment ago.
    case vanished
}

/// Checks blobs against their names. One a thread.
final class BlobCheck {
    /// What is read, in bytes, before it is told.
    private let read: (Int) throws -> Void
    private let partSize: (ETag, Int64) -> Int64?
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - partSize: what is recorded of a multipart upload.
    ///   - read: told of every piece that was read; may wait, or throw.
    init(partSize: @escaping (ETag, Int64) -> Int64?, read: @escaping (Int) throws -> Void) {
        self.partSize = partSize
        self.read = read
        buffer = .allocate(byteCount: 1 << 20, alignment: 4096)
    }

    deinit {
        buffer.deallocate()
    }

    /// - Parameter directory: a descriptor of the directory in which the file stands. No link is followed.
    func check(_ name: String, _ blob: BlobName, in directory: Int32, status: inout stat) throws -> Verdict {
        // A FIFO must not be waited for.
        let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { return try BlobCheck.verdict(errno, name) }
        defer { close(descriptor) }
        guard fstat(descriptor, &status) == 0 else { return try BlobCheck.verdict(errno, name) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .damaged("is no regular file") }
        guard Int64(status.st_size) == blob.size else { return .damaged("has \(status.st_size) bytes") }
        do {
            switch blob {
            case .sha256(let expected, _):
                var digest = SHA256()
                try content(descriptor, blob.size, name) { digest.update($0) }
                return digest.finalize() == expected ? .sound : .damaged("has another SHA-256")
            case .etag(let etag, _) where etag.parts == 0:
                var digest = MD5()
                try content(descriptor, blob.size, name) { digest.update($0) }
                return digest.finalize() == etag.md5 ? .sound : .damaged("has another MD5")
            case .etag(let etag, let size):
                return try checkParts(descriptor, etag, size, name)
            }
        } catch let trouble as Trouble {
            return try BlobCheck.verdict(trouble.number, name)
        }
    }

    /// A multipart upload: by the part size that was recorded, and if that is wrong or lost, by those that are likely.
    private func checkParts(_ descriptor: Int32, _ etag: ETag, _ size: Int64, _ name: String) throws -> Verdict {
        var sizes = PartSizes.candidates(size: size, count: Int64(etag.parts))
        if let recorded = partSize(etag, size), recorded > 0 {
            sizes.removeAll { $0 == recorded }
            sizes.insert(recorded, at: 0)
        }
        for partSize in sizes {
            var digest = PartedMD5(partSize: partSize)
            try content(descriptor, size, name) { digest.update($0) }
            let result = digest.finalize()
            if result.count == etag.parts, result.md5 == etag.md5 { return .sound }
        }
        return .damaged(
            partSize(etag, size) == nil
                ? "has parts with other MD5s, or of a size that is neither recorded nor usual"
                : "has parts with other MD5s")
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

    /// What a failed call says of a file. What says more of this machine than of the file is thrown.
    static func verdict(_ number: Int32, _ name: String) throws -> Verdict {
        switch number {
        case ENOENT: return .vanished
        case ELOOP: return .damaged("is a symbolic link")
        case ENXIO, ENODEV: return .damaged("is no regular file")
        case EACCES, EPERM: return .unreadable("cannot be read: \(String(cString: strerror(number)))")
        case EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN:
            throw IcecoreError.system("cannot open", name, errno: number)
        case EIO: return .failing("cannot be read: \(String(cString: strerror(number)))")
        default: return .damaged("cannot be read: \(String(cString: strerror(number)))")
        }
    }
}
