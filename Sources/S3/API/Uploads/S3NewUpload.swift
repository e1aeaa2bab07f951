/// A multipart upload that has just been started.
public struct S3NewUpload: Sendable, Equatable {
    public var id = ""
    /// The request was made more than once: a lost answer may have left another upload, whose id nobody knows.
    public var mayHaveTwin = false
}
