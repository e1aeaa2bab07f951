import Basics
import Glibc
import Upload

/// Cuts a copy of the index into chunks, so that a push sends only those that the replica lacks.
final class IndexChunker {
    private let file: SharedFile
    let size: Int64
    let chunkSize: Int64
    private(set) var digests: [String] = []

    /// - Parameter path: of a copy of the index that does not change.
    init(_ path: String, progress: (Double) -> Void) throws {
        let opened = try File(path, O_RDONLY)
        size = try opened.size()
        file = SharedFile(opened)
        chunkSize = IndexChunker.chunkSize(of: size)
        var position: Int64 = 0
        while position < size {
            try Interruption.check()
            digests.append(Hex.encode(SHA256.digest(try bytes(digests.count))))
            position += chunkSize
            progress(min(1, Double(position) / Double(size)))
        }
    }

    /// A power of two, so that it rarely changes as an index grows, and there are at most a few thousand chunks.
    private static func chunkSize(of size: Int64) -> Int64 {
        var chunk: Int64 = 1 << 20
        while size / chunk > 4096, chunk < ReplicaPiece.largest { chunk *= 2 }
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

    /// The index as the replica will have it.
    ///
    /// - Parameters:
    ///   - old: what the replica has.
    ///   - directory: where new chunks go.
    /// - Returns: all chunks, and the numbers of those that have to be sent.
    func index(replacing old: ChunkedIndex?, in directory: String) -> (ChunkedIndex, new: [Int]) {
        var known: [String: ReplicaPiece] = [:]
        for piece in old?.chunks ?? [] { known[piece.sha256] = piece }
        var chunks: [ReplicaPiece] = []
        var new: [Int] = []
        for (number, digest) in digests.enumerated() {
            if let piece = known[digest], piece.size == Int64(length(number)) {
                chunks.append(piece)
                continue
            }
            let piece = ReplicaPiece(
                path: ReplicaFormat.chunkPath(number, in: directory), sha256: digest, size: Int64(length(number)))
            chunks.append(piece)
            // Chunks with the same content, such as zeros, share one file.
            known[digest] = piece
            new.append(number)
        }
        return (ChunkedIndex(size: size, chunkSize: chunkSize, chunks: chunks), new)
    }
}
