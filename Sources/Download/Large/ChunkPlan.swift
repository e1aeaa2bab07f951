/// Into which ranges a large content is divided: along the parts of its upload, where those are known.
struct ChunkPlan {
    let size: Int64
    /// What the content consists of: parts, or the whole.
    private let unit: Int64
    /// The length of chunks; the last one of a unit may be shorter.
    private let step: Int64

    /// More ranges than parts can be are never needed.
    static let mostChunks: Int64 = 10_000

    /// - Parameters:
    ///   - chunkSize: what is asked for; raised where it would make too many chunks.
    ///   - partSize: of a multipart upload; nil where it is unknown, or there are no parts.
    init(size: Int64, chunkSize: Int64, partSize: Int64?) {
        self.size = size
        let least = size / ChunkPlan.mostChunks + (size % ChunkPlan.mostChunks == 0 ? 0 : 1)
        let wanted = max(1, chunkSize, least)
        guard let partSize, partSize > 0, partSize < size else {
            (unit, step) = (max(1, size), wanted)
            return
        }
        if partSize > wanted {
            // Equal shares of a part, so that none has a tiny rest.
            let shares = (partSize - 1) / wanted + 1
            (unit, step) = (partSize, (partSize - 1) / shares + 1)
        } else {
            let whole = wanted / partSize * partSize
            (unit, step) = (whole, whole)
        }
    }

    /// The chunk that a byte belongs to.
    func chunk(of offset: Int64) -> Range<Int64> {
        let start = offset / unit * unit
        let from = start + (offset - start) / step * step
        let end = min(size - start < unit ? size : start + unit, size)
        return from..<(end - from < step ? end : from + step)
    }
}
