import Basics

/// Writes names into compressed parts of bounded size.
struct ManifestWriter {
    private let directory: String
    private let kind: String
    private let send: (String, [UInt8]) throws -> Void
    private var buffer: [UInt8] = []
    private var count = 0
    private(set) var parts: [ReplicaFormat.Piece] = []

    /// Names of one part.
    static let most = 200_000

    /// - Parameters:
    ///   - kind: the beginning of the parts' names.
    ///   - send: puts a part where it belongs.
    init(in directory: String, kind: String = "blobs", send: @escaping (String, [UInt8]) throws -> Void) {
        self.directory = directory
        self.kind = kind
        self.send = send
    }

    mutating func add(_ name: String) throws {
        buffer.append(contentsOf: name.utf8)
        buffer.append(UInt8(ascii: "\n"))
        count += 1
        if count == ManifestWriter.most { try endPart() }
    }

    mutating func finish() throws -> [ReplicaFormat.Piece] {
        if count > 0 { try endPart() }
        return parts
    }

    private mutating func endPart() throws {
        let path = "\(directory)/\(kind)-\(IndexChunks.padded(parts.count)).gz"
        try send(path, try buffer.withUnsafeBytes { try Gzip.compress($0) })
        parts.append(
            ReplicaFormat.Piece(
                path: path, sha256: Hex.encode(SHA256.digest(buffer)), size: Int64(buffer.count), count: count))
        buffer.removeAll(keepingCapacity: true)
        count = 0
    }
}
