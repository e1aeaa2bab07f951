import S3

/// What a key had when it was listed once more: because, by its first listing, it had two latest versions.
struct KeyReplacement: Sendable {
    let key: [UInt8]
    /// Pages, and which rows of them are the key's.
    var pages: [(page: S3VersionPage, rows: Range<Int>)] = []
}
