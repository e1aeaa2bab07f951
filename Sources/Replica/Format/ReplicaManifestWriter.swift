import Basics

/// Writes names into compressed parts of bounded size.
struct ReplicaManifestWriter {
    private let path: (Int) -> String
    private let send: (String, [UInt8]) throws -> Void
    private var buffer: [UInt8] = []
    private var count = 0
    private var parts: [ReplicaPiece] = []

    /// The most names in a part.
    static let most = 200_000

    /// - Parameters:
    ///   - path: of a part, by its number.
    ///   - send: writes a part to its path.
    init(_ path: @escaping (Int) -> String, send: @escaping (String, [UInt8]) throws -> Void) {
        self.path = path
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
        let path = path(parts.count)
        try send(path, try buffer.withUnsafeBytes { try Gzip.compress($0) })
        parts.append(
            ReplicaPiece(
                path: path, sha256: Hex.encode(SHA256.digest(buffer)), size: Int64(buffer.count), count: count))
        buffer.removeAll(keepingCapacity: true)
        count = 0
    }
}
