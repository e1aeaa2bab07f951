import Blobs
import Model

/// A content that is complete and checked.
package struct CheckedContent: Sendable {
    /// The path of its temporary file; for a content in memory, the file to write it to if it cannot be written unnamed.
    var temporary: String
    var content = ArrivedContent.file
    /// What the temporary file belongs to if it came in pieces. Its lock keeps others away until the content has its name.
    var partial: PartialBlob?
    /// The blob's name.
    var name: String
    var want: FetchRequest
    /// What the ETag does not say.
    var parts: PartLayout?
    var sha256: [UInt8]?
    /// nil: not known.
    var headers: ReceivedHeaders?
    /// It is to be a file of its own, however small it is.
    var staysFile = false
}

extension CheckedContent {
    /// A content from elsewhere on the disk, which its name vouches for.
    ///
    /// - Parameters:
    ///   - etag: what it is filed under.
    ///   - parts: of the multipart upload whose ETag the name has.
    ///   - wasPresent: the index takes it for present, so it was counted before its file vanished.
    ///   - staysFile: it must not go into a pack, as its file shares what it takes of the disk with another.
    package init(
        _ name: BlobName, etag: ETag, parts: PartLayout?, wasPresent: Bool, temporary: String, content: ArrivedContent,
        staysFile: Bool
    ) {
        var want = FetchRequest(
            key: [], versionId: nil, etag: etag, size: name.size, isLatest: false, isOpaque: false, isArchived: false,
            lastModified: .distantPast, replacedAt: .distantPast)
        want.wasPresent = wasPresent
        self.init(temporary: temporary, content: content, name: name.file, want: want, parts: parts)
        if case .sha256(let digest, _) = name { sha256 = digest }
        self.staysFile = staysFile
    }

    /// A content with the name that the verdict gives it; nil where nothing vouches for it.
    init?(
        _ want: FetchRequest, _ verdict: ContentDigest.Verdict, temporary: String, content: ArrivedContent = .file,
        partial: PartialBlob? = nil, headers: ReceivedHeaders?
    ) {
        self.init(
            temporary: temporary, content: content, partial: partial, name: want.blobName, want: want, headers: headers)
        switch verdict {
        case .checked(let parts, let sha256):
            self.parts = parts
            if let sha256 { file(under: sha256) }
        case .opaque(let sha256): file(under: sha256)
        case .undecided, .wrong: return nil
        }
    }

    /// Gives the content a name that its SHA-256 vouches for.
    private mutating func file(under sha256: [UInt8]) {
        self.sha256 = sha256
        name = BlobName.file(sha256: sha256, size: want.size)
    }
}
