import Store

/// A content that is complete and checked.
struct CheckedContent: Sendable {
    /// The path of its temporary file; where the content is in memory, the file that it is to be written to.
    var temporary: String
    var content = ArrivedContent.file
    /// What the temporary file belongs to, where it has come in pieces: nobody else touches it before it has its name.
    var partial: PartialBlob?
    /// The blob's name.
    var name: String
    var want: Want
    /// What the ETag does not say.
    var partSize: Int64?
    var sha256: [UInt8]?
    /// JSON, or nil where there is nothing worth keeping.
    var headers: String?

    /// Gives the content the name that only its SHA-256 vouches for.
    mutating func file(under sha256: [UInt8]) {
        self.sha256 = sha256
        name = Blobs.name(sha256: sha256, size: want.size)
    }
}
