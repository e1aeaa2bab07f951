import Model

/// What a store has elsewhere than on its own disk, each as an object of its own.
public protocol DistantContents: Sendable {
    /// Whether the content is there.
    func has(_ name: BlobName) throws -> Bool
}

extension Blobs {
    /// Whether the store has the content, be it on the disk or elsewhere.
    public func has(_ name: BlobName) throws -> Bool {
        guard let elsewhere else { return try find(name) != nil }
        return try !packs.expected(name).isEmpty || elsewhere.has(name)
    }

    /// The same of the content of an ETag.
    ///
    /// - Parameter sha256: what the index has for an opaque one; called only if nothing has the ETag's name.
    public func has(etag: ETag, size: Int64, sha256: () throws -> [UInt8]?) throws -> Bool {
        if etag.verbatim == nil, try has(.etag(etag, size: size)) { return true }
        return try sha256().map { try has(.sha256($0, size: size)) } ?? false
    }
}

extension BlobFinder {
    /// Whether the store has the content, be it on the disk or elsewhere.
    public func has(etag: ETag, size: Int64, sha256: () throws -> [UInt8]?) throws -> Bool {
        guard blobs.elsewhere != nil else { return try find(etag: etag, size: size, sha256: sha256) != nil }
        return try blobs.has(etag: etag, size: size, sha256: sha256)
    }
}
