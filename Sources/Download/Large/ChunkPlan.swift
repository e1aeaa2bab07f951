/// The ranges into which a large content is divided: along the parts of its upload if these are known.
struct ChunkPlan {
    let size: Int64
    /// The length of what is divided: a part, several small parts, or the whole content.
    private let unit: Int64
    /// The length of a chunk; the last one of a unit may be shorter.
    private let step: Int64

    /// The most parts that an upload can have.
    static let mostChunks: Int64 = 10_000

    /// - Parameters:
    ///   - chunkSize: the length to aim for; raised where it would make too many chunks.
    ///   - partSize: that of a multipart upload; nil: unknown, or there are no parts.
    init(size: Int64, chunkSize: Int64, partSize: Int64?) {
        self.size = size
        let least = size / ChunkPlan.mostChunks + (size % ChunkPlan.mostChunks == 0 ? 0 : 1)
        let wanted = max(1, chunkSize, least)
        guard let partSize, partSize > 0, partSize < size else {
            (unit, step) = (max(1, size), wanted)
            return
        }
        if partSize > wanted {
            // Equal shares of a part, so that none is tiny.
            let shares = (partSize - 1) / wanted + 1
            (unit, step) = (partSize, (partSize - 1) / shares + 1)
        } else {
            let whole = wanted / partSize * partSize
            (unit, step) = (whole, whole)
        }
    }

    /// The chunk that contains the byte at `offset`.
    func chunk(of offset: Int64) -> Range<Int64> {
        let start = offset / unit * unit
        let from = start + (offset - start) / step * step
        let end = min(size - start < unit ? size : start + unit, size)
        return from..<(end - from < step ? end : from + step)
    }
}
