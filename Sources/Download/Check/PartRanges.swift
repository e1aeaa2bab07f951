import Model

/// Where the parts of a content begin and end.
struct PartRanges {
    let count: Int
    private let size: Int64
    private let parts: PartLayout
    /// Where each part of an uneven layout begins.
    private var starts: [Int64] = []

    /// - Parameter size: of the content, in bytes; at least 1.
    init(_ parts: PartLayout, of size: Int64) {
        self.size = size
        self.parts = parts
        switch parts {
        case .even(let part): count = Int((size - 1) / part + 1)
        case .uneven(let sizes):
            count = sizes.count
            var start: Int64 = 0
            for part in sizes {
                starts.append(start)
                start += part
            }
        }
    }

    /// The bytes of a part, counted from 0.
    subscript(number: Int) -> Range<Int64> {
        let length = parts.length(ofPart: number)
        let start = starts.isEmpty ? Int64(number) * length : starts[number]
        return start..<start + min(length, size - start)
    }
}
