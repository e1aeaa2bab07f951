import Basics
import Glibc
import Model
import Packs

/// The contents: one immutable file each, named by its content, or a record of a pack.
///
/// A file is `blobs/<2 hex>/<ETag>-<size>`, or `blobs/<2 hex>/x-<SHA-256>-<size>` for a content whose ETag is not the MD5 of
/// anything. The directory, and the catalogue of packs, are the answer to "do we have this ETag?": there is no table of blobs.
/// This is the one place that knows where a content lies.
public struct Blobs: Sendable {
    /// `…/blobs`.
    public let path: String
    public let packs: PackSet
    /// Nil for a store that has its contents on its own disk; otherwise that disk is only a cache.
    public let elsewhere: (any DistantContents)?

    public init(path: String, packs: PackSet, elsewhere: (any DistantContents)? = nil) {
        self.path = path
        self.packs = packs
        self.elsewhere = elsewhere
    }

    /// What is smaller is looked for in packs first.
    private static let usuallyLoose: Int64 = 1 << 20

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
    /// - Parameters:
    ///   - near: see ``PackSet/find(_:near:)``.
    ///   - sha256: what the index has for an opaque one; called only if nothing has the ETag's name.
    /// - Returns: where it is, or nil. A file is regular and has the right size, a record has a sound header; `verify` checks
    ///   the content.
    public func find(
        etag: ETag, size: Int64, near: PackedBlob? = nil, sha256: () throws -> [UInt8]?
    ) throws -> BlobPlace? {
        if etag.verbatim == nil, let place = try find(.etag(etag, size: size), near: near) { return place }
        if let sha256 = try sha256() { return try find(.sha256(sha256, size: size), near: near) }
        return nil
    }

    /// Finds a blob by its name.
    public func find(_ name: BlobName, near: PackedBlob? = nil) throws -> BlobPlace? {
        let path = path(ofName: name.file)
        let isSmall = name.size < Blobs.usuallyLoose
        if !isSmall, Files.size(path) == name.size { return .file(path) }
        // What is moved into packs, or out of them, while this looks is there before it vanishes from where it was.
        repeat {
            if let packed = try packs.find(name, near: near) { return .packed(packed) }
            if Files.size(path) == name.size { return .file(path) }
        } while try packs.refresh()
        return nil
    }

    /// Creates the directories for blobs, durably.
    public func prepare() throws {
        try Blobs.prepare(path)
    }

    /// The same for `…/blobs`, before there is a store.
    public static func prepare(_ path: String) throws {
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
