import Basics

/// Writes the names of blobs into compressed parts of bounded size.
struct ReplicaManifestWriter {
    private let directory: String
    private let send: (String, [UInt8]) throws -> Void
    private var buffer: [UInt8] = []
    private var count = 0
    private var parts: [ReplicaPiece] = []

    /// The most names in a part.
    static let most = 200_000

    /// - Parameters:
    ///   - directory: of the snapshot.
    ///   - send: writes a part to its path.
    init(in directory: String, send: @escaping (String, [UInt8]) throws -> Void) {
        self.directory = directory
        self.send = send
    }

    mutating func add(_ name: String) throws {
        buffer.append(contentsOf: name.utf8)
        buffer.append(UInt8(ascii: "\n"))
        count += 1
        if count == ReplicaManifestWriter.most { try endPart() }
    }

    mutating func finish() throws -> [ReplicaPiece] {
        if count > 0 { try endPart() }
        return parts
    }

    private mutating func endPart() throws {
        let path = ReplicaFormat.manifestPath(parts.count, in: directory)
        try send(path, try buffer.withUnsafeBytes { try Gzip.compress($0) })
        parts.append(
            ReplicaPiece(
                path: path, sha256: Hex.encode(SHA256.digest(buffer)), size: Int64(buffer.count), count: count))
        buffer.removeAll(keepingCapacity: true)
        count = 0
    }
}
