/// An answer with its body in memory.
public struct S3Object: Sendable {
    public let head: S3ResponseHead
    public let bytes: [UInt8]
}
