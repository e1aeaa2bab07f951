import Basics
import Glibc
import Model

/// The contents: one immutable file each, named by what it holds. `blobs/<2 hex>/<ETag>-<size>`, or
/// `blobs/<2 hex>/x-<SHA-256>-<size>` for a content whose ETag is not the MD5 of anything.
///
/// The directory is the answer to "do we have this ETag?": there is no table of blobs.
public struct Blobs: Sendable {
    /// `…/blobs`.
    public let path: String

    public init(path: String) {
        self.path = path
    }

    /// The path of a blob by its name.
    public func path(ofName name: String) -> String {
        "\(path)/\(Blobs.fan(name))/\(name)"
    }

    /// The directory below `blobs/` that a name belongs to: its first two hexadecimal digits.
    public static func fan(_ name: String) -> Substring {
        (name.hasPrefix("x-") ? name.dropFirst(2) : name[...]).prefix(2)
    }

    /// Where the blob of an ETag is, if it is there.
    ///
    /// - Parameter sha256: what the index says of an opaque one; asked only when no file has the ETag's name.
    /// - Returns: its path; the file is regular and has the size. `verify` checks the content.
    public func find(etag: ETag, size: Int64, sha256: () throws -> [UInt8]?) rethrows -> String? {
        if let name = BlobName.file(etag: etag, size: size) {
            let path = path(ofName: name)
            if Files.size(path) == size { return path }
        }
        if let sha256 = try sha256() {
            let path = path(ofName: BlobName.file(sha256: sha256, size: size))
            if Files.size(path) == size { return path }
        }
        return nil
    }

    /// Makes the directories that blobs go to, durable.
    public func prepare() throws {
        try Files.createDirectory(path)
        for byte in UInt8.min...UInt8.max { try Files.createDirectory("\(path)/\(Hex.encode([byte]))") }
        try Files.synchronizeDirectory(path)
    }

    /// Makes all blobs and their names durable. What is seen under its name need not be: a process that was killed may
    /// have given it that, or a mount that goes on. So this comes before a row says that a blob is there.
    public func synchronize() throws {
        try Files.synchronizeFileSystem(File(path, O_RDONLY | O_DIRECTORY))
    }
}
