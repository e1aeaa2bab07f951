import Basics
import Download
import Glibc
import Model

/// A file below `blobs/` that is small enough to be read whole.
struct SmallFile: ~Copyable {
    let name: BlobName
    let path: String
    /// What it takes on the disk.
    let diskBytes: Int64

    /// Nil if there is no such file: no link, and of the right size.
    init?(_ name: BlobName, at path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int64(status.st_size) == name.size else {
            return nil
        }
        self.name = name
        self.path = path
        diskBytes = Int64(status.st_blocks) * 512
    }

    /// Reads it, and passes it to `body` if it is what its name says.
    ///
    /// - Parameters:
    ///   - parts: of the upload that it comes from.
    ///   - buffer: for at least as many bytes.
    /// - Returns: nil if it is damaged, or has vanished.
    func withContent<Result>(
        _ parts: PartLayout?, _ buffer: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(name.size)])
        do throws(IcecoreError) {
            let file = try File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            guard try file.size() == name.size else { return nil }
            try file.read(into: bytes, at: 0)
        } catch {
            let isFilesFault = error.code == .damaged || [ENOENT, ELOOP, EIO].contains(error.errno)
            guard isFilesFault else { throw error }
            return nil
        }
        let content = UnsafeRawBufferPointer(bytes)
        return try ContentCheckOfName.agrees(content, name, parts) ? body(content) : nil
    }
}

/// Whether a content is what a name says.
enum ContentCheckOfName {
    static func agrees(_ content: UnsafeRawBufferPointer, _ name: BlobName, _ parts: PartLayout?) throws -> Bool {
        let expected: ExpectedDigest =
            switch name {
            case .sha256(let digest, _): .sha256(digest)
            case .etag(let etag, let size) where etag.parts == 0: .etag(etag, size: size)
            // What is recorded may be lost with an index: the usual sizes are tried as well.
            case .etag(let etag, let size): .etag(etag, size: size, parts: parts, isCertain: false)
            }
        var digest = ContentDigest(expected)
        digest.update(content)
        switch try digest.verdict(again: { $0(content) }) {
        case .checked, .opaque: return true
        case .undecided, .wrong: return false
        }
    }
}
