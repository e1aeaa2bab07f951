import Basics

/// The index of a store as a replica has it: cut into chunks, each a file of its own.
struct ChunkedIndex: Codable, Equatable {
    var size: Int64
    /// Bytes of every chunk except the last, which may be shorter.
    var chunkSize: Int64
    var chunks: [ReplicaPiece]

    /// Refuses chunks that do not add up to the index.
    ///
    /// - Parameter place: the document's name for messages.
    func check(_ place: String) throws {
        var total: Int64 = 0
        for (number, chunk) in chunks.enumerated() {
            let isLast = number == chunks.count - 1
            guard chunk.size > 0, chunk.size <= ReplicaPiece.largest,
                isLast ? chunk.size <= chunkSize : chunk.size == chunkSize
            else { throw IcecoreError(.damaged, "\(place): the chunks of the index do not fit together") }
            total = total.addingClamped(chunk.size)
        }
        guard total == size else {
            throw IcecoreError(.damaged, "\(place): the chunks of the index do not fit together")
        }
    }
}
