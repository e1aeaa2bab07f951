import Basics
import Index
import Model

/// What an index says about contents besides their ETags, for fetching them from a replica.
final class ReplicaFacts: @unchecked Sendable {
    // Only the one thread that fetches asks.
    private let path: String
    /// Opened by the first question: the daemon of a mount is a fork, and must not inherit it.
    private var reader: IndexReader?

    /// Makes the index if there is none.
    private let restore: () throws -> Void

    /// - Parameters:
    ///   - path: of an index.
    ///   - restore: makes the index if there is none.
    init(_ path: String, restore: @escaping () throws -> Void = {}) {
        self.path = path
        self.restore = restore
    }

    func lookUp(_ want: FetchRequest) throws -> (sha256: [UInt8]?, parts: PartLayout?) {
        if let verbatim = want.etag.verbatim, verbatim.count == 66, verbatim.starts(with: "x-".utf8) {
            return (Hex.decode(verbatim.dropFirst(2)), nil)
        }
        // The cache may have been made anew.
        if !Files.exists(path) { try restore() }
        if self.reader?.isReplaced ?? false { self.reader = nil }
        let reader = try self.reader ?? IndexReader(path: path)
        self.reader = reader
        // Outside a transaction, each question sees the newest state.
        reader.end()
        return try reader.blobFacts(etag: want.contentETag, size: want.size)
    }
}
