/// How large contents are fetched.
public struct ChunkLimits: Sendable {
    /// Contents of at least so many bytes are fetched in chunks.
    public var threshold: Int64 = 64 << 20
    /// The length of a chunk, about: parts of an upload are not torn apart for a few bytes.
    public var size: Int64 = 16 << 20

    public init() {}
}
