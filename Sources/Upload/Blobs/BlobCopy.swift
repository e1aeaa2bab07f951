import Basics
import Blobs
import Glibc
import Model

/// Reads, checks and copies the blobs of a store.
package enum BlobCopy {
    /// The blob is not what its name says.
    package struct Damage: Error {
        package var reason: String

        package init(reason: String) {
            self.reason = reason
        }
    }

    /// Copies a blob, and checks on the way that it is what its name says. The copy is not durable yet.
    ///
    /// - Throws: ``Damage``: then the copy is useless.
    package static func copy(
        _ source: BlobPlace, to target: String, _ name: BlobName, parts: PartLayout?, read: (Int) throws -> Void
    ) throws {
        let input = try open(source, name)
        let output = try File(target, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
        var digest = BlobDigest(name, parts: parts)
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
    package static func open(_ place: BlobPlace, _ name: BlobName) throws -> OpenBlob {
        switch place {
        case .file(let path): return try OpenBlob(open(path, name))
        case .packed(let packed):
            guard packed.record.name == name else { throw Damage(reason: "its record is another content's") }
            return OpenBlob(packed)
        }
    }

    private static func open(_ path: String, _ name: BlobName) throws -> File {
        var status = stat()
        // Opening a FIFO could block, so the file is examined first, and again once it is open.
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { throw Damage(reason: "it has vanished") }
            throw Damage(reason: "\(IcecoreError.system("cannot examine", path, errno: errno))")
        }
        let size = status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : -1
        guard size == name.size else { throw Damage(reason: "it is not a file of \(name.size.of("byte"))") }
        if access(path, R_OK) != 0 {
            throw Damage(reason: "\(IcecoreError.system("cannot open", path, errno: errno))")
        }
        let file = try File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        guard try file.size() == name.size else { throw Damage(reason: "it is not a file of \(name.size.of("byte"))") }
        return file
    }

    /// Fills the buffer from a blob; an unreadable or shortened file is ``Damage``.
    package static func read(_ file: OpenBlob, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws {
        do throws(IcecoreError) {
            try file.read(into: buffer, at: offset)
        } catch {
            throw error.errno == EIO || error.code == .damaged ? Damage(reason: "\(error)") as any Error : error
        }
    }

    /// The MD5 of a blob's content.
    ///
    /// - Throws: ``Damage`` if the content is not what the blob's name says.
    package static func checkedMD5(_ place: BlobPlace, _ name: BlobName, parts: PartLayout?) throws -> [UInt8] {
        let file = try open(place, name)
        var digest = BlobDigest(name, parts: parts)
        var md5 = MD5()
        var position: Int64 = 0
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while position < name.size {
                try Interruption.check()
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), name.size - position))])
                try read(file, into: piece, at: position)
                digest.update(UnsafeRawBufferPointer(piece))
                md5.update(UnsafeRawBufferPointer(piece))
                position += Int64(piece.count)
            }
        }
        if let problem = digest.problem() { throw Damage(reason: problem) }
        return md5.finalize()
    }

    /// What is wrong with a blob; nil: nothing.
    package static func problem(_ place: BlobPlace, _ name: BlobName, parts: PartLayout?) throws -> String? {
        do {
            _ = try checkedMD5(place, name, parts: parts)
            return nil
        } catch let damage as Damage {
            return damage.reason
        }
    }
}
