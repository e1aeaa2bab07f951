import Basics
import Index
import Model
import SQLite
import Store

/// A content that a row of the index names.
struct IndexedContent {
    /// What it is filed under.
    var etag: ETag
    var size: Int64
    /// The name that its blob has, or will have; nil if nothing can vouch for the bytes.
    var name: BlobName?
    /// The recorded parts of a multipart upload.
    var parts: PartLayout?
    /// The index takes it for present.
    var isCalledPresent: Bool
    /// A prune has dropped it: it is wanted no more.
    var isPruned: Bool
}

/// Tells which contents rows have.
struct IndexedContents {
    private let store: Store
    private let reader: IndexReader
    private let distrustsETags: Bool
    private let hasOpaqueETags: Bool
    /// Plain ETags may have a SHA-256.
    private let hasDigests: Bool

    init(_ store: Store, _ reader: IndexReader) throws {
        self.store = store
        self.reader = reader
        distrustsETags = store.configuration.distrustETagsSince != nil
        hasOpaqueETags = store.configuration.etags == .opaque
        hasDigests = try reader.hasDigests()
    }

    /// The content of a row; nil if it has none: a directory, a delete marker, an ETag that is not known.
    ///
    /// - Parameter prefix: of the row's directory.
    func content(of row: EntryRow, prefix: @autoclosure () throws -> [UInt8]) throws -> IndexedContent? {
        if row.isDirectory || row.isMarker { return nil }
        guard let given = row.etagValue, !given.isUnknown else { return nil }
        var etag = given
        // A shared content would be believed by its ETag.
        if distrustsETags || row.flags.contains(.filedByVersion) {
            etag = given.filed(
                key: try prefix() + Array(row.name), versionId: row.versionIsUnknown ? nil : Array(row.versionId),
                lastModified: row.lastModified)
        }
        let isPlain = etag.verbatim == nil && etag.parts == 0
        let facts: (sha256: [UInt8]?, parts: PartLayout?) =
            isPlain && !hasDigests ? (nil, nil) : try reader.blobFacts(etag: etag, size: row.size)
        var content = IndexedContent(
            etag: etag, size: row.size, name: nil, parts: facts.parts, isCalledPresent: row.flags.contains(.present),
            isPruned: row.flags.contains(.pruned))
        if let sha256 = facts.sha256 {
            content.name = .sha256(sha256, size: row.size)
        } else if etag.verbatim == nil, !row.flags.contains(.opaque), !hasOpaqueETags {
            content.name = .etag(etag, size: row.size)
        }
        return content
    }

    /// Whether the store has a content.
    func isThere(_ content: IndexedContent) throws -> Bool {
        // As Blobs.find, but that the name is known.
        let blobs = store.blobs
        if let name = content.name, try blobs.find(name) != nil { return true }
        if case .etag = content.name { return false }
        return try blobs.find(etag: content.etag, size: content.size) { nil } != nil
    }

    /// The contents of the versions of one name.
    func contents(_ name: [UInt8], in directory: Int64, prefix: [UInt8]) throws -> [IndexedContent] {
        var contents: [IndexedContent] = []
        try name.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in
                guard let content = try self.content(of: copy row, prefix: prefix) else { return }
                if contents.contains(where: { $0.etag == content.etag && $0.size == content.size }) { return }
                contents.append(content)
            }
        }
        return contents
    }
}

extension IndexReader {
    /// Whether any blob has its name from its SHA-256.
    fileprivate func hasDigests() throws -> Bool {
        try connection.prepare("SELECT 1 FROM blob WHERE sha256 IS NOT NULL LIMIT 1").step()
    }
}
