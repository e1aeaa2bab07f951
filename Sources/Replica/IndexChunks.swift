import Basics
import Glibc

/// The index of a store as it is pushed: a copy, cut into chunks; chunks that the replica has are not sent again.
final class IndexChunks {
    private let file: SharedFile
    let size: Int64
    let chunkSize: Int64
    private(set) var digests: [String] = []

    /// - Parameter path: of a copy of the index that nobody changes.
    init(_ path: String, progress: (Double) -> Void) throws {
        let opened = try File(path, O_RDONLY)
        size = try opened.size()
        file = SharedFile(opened)
        chunkSize = IndexChunks.chunkSize(of: size)
        var position: Int64 = 0
        while position < size {
            try Interruption.check()
            digests.append(Hex.encode(SHA256.digest(try bytes(digests.count))))
            position += chunkSize
            progress(min(1, Double(position) / Double(size)))
        }
    }

    /// A power of two, so that it rarely changes as an index grows, and there are at most some thousand chunks.
    private static func chunkSize(of size: Int64) -> Int64 {
        var chunk: Int64 = 1 << 20
        while size / chunk > 4096, chunk < ReplicaFormat.largestPiece { chunk *= 2 }
        return chunk
    }

    func length(_ number: Int) -> Int {
        Int(min(chunkSize, size - Int64(number) * chunkSize))
    }

    func bytes(_ number: Int) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: length(number))
        try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: Int64(number) * chunkSize) }
        return buffer
    }

    /// The chunks as the replica will have them.
    ///
    /// - Parameters:
    ///   - old: what the replica has.
    ///   - directory: where new ones go.
    /// - Returns: all of them, and the numbers of those that have to be sent.
    func pieces(_ old: ReplicaFormat.Index?, in directory: String) -> (ReplicaFormat.Index, new: [Int]) {
        var known: [String: ReplicaFormat.Piece] = [:]
        for piece in old?.chunks ?? [] { known[piece.sha256] = piece }
        var chunks: [ReplicaFormat.Piece] = []
        var new: [Int] = []
        for (number, digest) in digests.enumerated() {
            if let piece = known[digest], piece.size == Int64(length(number)) {
                chunks.append(piece)
                continue
            }
            let piece = ReplicaFormat.Piece(
                path: "\(directory)/index-\(IndexChunks.padded(number)).gz", sha256: digest,
                size: Int64(length(number)))
            chunks.append(piece)
            // Pages of zeros, say: one of them is enough.
            known[digest] = piece
            new.append(number)
        }
        return (ReplicaFormat.Index(size: size, chunkSize: chunkSize, chunks: chunks), new)
    }

    static func padded(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 6 - text.utf8.count)) + text
    }
}
