import Basics
import Glibc
import Model

/// The contents: one immutable file each, named by its content. `blobs/<2 hex>/<ETag>-<size>`, or
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

    /// Finds the blob of an ETag.
    ///
    /// - Parameter sha256: what the index has for an opaque one; called only if no file has the ETag's name.
    /// - Returns: its path, or nil; the file is regular and has the right size. `verify` checks the content.
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

    /// Creates the directories for blobs, durably.
    public func prepare() throws {
        try Files.createDirectory(path)
        for byte in UInt8.min...UInt8.max { try Files.createDirectory("\(path)/\(Hex.encode([byte]))") }
        try Files.synchronizeDirectory(path)
    }

    /// Makes all blobs and their names durable. A visible blob need not be: a killed process or a running mount may
    /// have named it. So this must happen before a row records that a blob is present.
    public func synchronize() throws {
        try Files.synchronizeFileSystem(File(path, O_RDONLY | O_DIRECTORY))
    }
}
