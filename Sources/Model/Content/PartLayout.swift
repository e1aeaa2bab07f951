/// How the content of a multipart upload was divided: what its ETag, an MD5 of the parts' MD5s, does not say.
public enum PartLayout: Hashable, Sendable {
    /// Every part has so many bytes, at least one; the last one may have fewer.
    case even(Int64)
    /// The bytes of each part, in their order, at least one each.
    case uneven([Int64])

    /// The most parts that an upload can have.
    public static let mostParts = 10_000

    /// The layout of parts that are known one by one.
    ///
    /// - Parameters:
    ///   - sizes: the bytes of each part.
    ///   - size: of the content, in bytes.
    ///   - count: how many parts the ETag counts.
    /// - Returns: nil unless these can be the parts of that content.
    public init?(sizes: [Int64], size: Int64, count: UInt32) {
        guard let first = sizes.first, sizes.count == Int(count), sizes.count <= PartLayout.mostParts else {
            return nil
        }
        var rest = size
        for part in sizes {
            guard part > 0, part <= rest else { return nil }
            rest -= part
        }
        guard rest == 0 else { return nil }
        let isEven = sizes.dropLast().allSatisfy { $0 == first } && sizes.allSatisfy { $0 <= first }
        self = isEven ? .even(first) : .uneven(sizes)
    }

    /// The bytes of a part, counted from 0; the last one of an even layout may have fewer. `.max` past the last part of an
    /// uneven one.
    public func length(ofPart number: Int) -> Int64 {
        switch self {
        case .even(let size): size
        case .uneven(let sizes): sizes.indices.contains(number) ? sizes[number] : .max
        }
    }

    /// How many parts a content has: one at least, even if it is empty.
    public func count(ofSize size: Int64) -> Int {
        switch self {
        case .even(let part): size <= 0 ? 1 : Int(clamping: (size - 1) / max(1, part) + 1)
        case .uneven(let sizes): max(1, sizes.count)
        }
    }
}

/// The form in which an index keeps the parts of an uneven layout: for each run of parts of one size, their number (4
/// bytes) and their size in bytes (8 bytes), both big-endian.
extension PartLayout {
    private static let runLength = 12

    /// The layout that an index has recorded.
    ///
    /// - Returns: nil for anything but the parts of such a content.
    public init?(recorded bytes: [UInt8], size: Int64, count: UInt32) {
        guard bytes.count % PartLayout.runLength == 0, bytes.count / PartLayout.runLength <= PartLayout.mostParts else {
            return nil
        }
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        var sizes: [Int64] = []
        for start in stride(from: 0, to: bytes.count, by: PartLayout.runLength) {
            let repetitions = number(bytes[start..<start + 4])
            guard let part = Int64(exactly: number(bytes[(start + 4)..<(start + 12)])),
                repetitions <= UInt64(PartLayout.mostParts - sizes.count)
            else { return nil }
            sizes += repeatElement(part, count: Int(repetitions))
        }
        self.init(sizes: sizes, size: size, count: count)
    }

    /// The runs of parts of one size, in their order; none of an even layout.
    public var runs: [(count: UInt32, size: Int64)] {
        guard case .uneven(let sizes) = self else { return [] }
        var runs: [(count: UInt32, size: Int64)] = []
        for size in sizes {
            if let last = runs.last, last.size == size {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((1, size))
            }
        }
        return runs
    }

    /// What an index records; nil for an even layout, whose part size is enough.
    public var recorded: [UInt8]? {
        guard case .uneven = self else { return nil }
        return runs.flatMap { run in
            withUnsafeBytes(of: run.count.bigEndian) { Array($0) }
                + withUnsafeBytes(of: run.size.bigEndian) { Array($0) }
        }
    }
}
