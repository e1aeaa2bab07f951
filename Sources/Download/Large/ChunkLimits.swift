/// How large contents are fetched.
public struct ChunkLimits: Sendable {
    /// Contents of at least this many bytes are fetched in chunks.
    public var threshold: Int64 = 64 << 20
    /// The approximate length of a chunk in bytes; chunks follow the parts of an upload.
    public var size: Int64 = 16 << 20

    public init() {}
}
