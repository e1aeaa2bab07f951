/// A multipart upload that was started, but neither completed nor aborted.
public struct S3UnfinishedUpload: Sendable, Equatable {
    public var key: [UInt8] = []
    public var id = ""
}
