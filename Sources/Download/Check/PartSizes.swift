/// Which part sizes a multipart upload may have had.
///
/// The ETag `md5-N` tells only N; uploaders choose the size, mostly one of a few.
public enum PartSizes {
    private static let mebibyte: Int64 = 1 << 20
    /// The sizes of common tools: 8 (aws), 5 (the minimum), 15, 16, 25, 32, 50, 64, 100, 128, 256, 512 MiB, 1 GiB; decimal ones.
    private static let usual: [Int64] =
        [8, 5, 16, 64, 15, 25, 32, 10, 20, 50, 100, 128, 256, 512, 1024, 6, 7, 12, 40, 48, 96, 200].map {
            $0 * mebibyte
        }
        + [5_000_000, 8_000_000, 10_000_000, 16_000_000, 50_000_000, 64_000_000, 100_000_000]

    /// The sizes that may make `count` parts of `size` bytes, likely ones first; empty if no size does.
    public static func candidates(size: Int64, count: Int64) -> [Int64] {
        guard count > 0, size > 0, count <= size else { return count == 1 ? [max(size, 1)] : [] }
        // DANDI: 64 MiB, or what makes 10,000 parts.
        var result = size <= 640_000 * mebibyte ? [64 * mebibyte] : [quotient(size, 10_000)]
        result += usual
        // Sizes that grow with the object are the smallest possible number of mebibytes, or an exact equal share.
        let least = quotient(size, count)
        let (whole, isTooLarge) = quotient(least, mebibyte).multipliedReportingOverflow(by: mebibyte)
        if !isTooLarge { result.append(whole) }
        result.append(least)
        var seen: Set<Int64> = []
        return result.filter { part in
            part > 0 && quotient(size, part) == count && seen.insert(part).inserted
        }
    }

    /// Rounded up; for positive numbers.
    private static func quotient(_ number: Int64, _ divisor: Int64) -> Int64 {
        number / divisor + (number % divisor == 0 ? 0 : 1)
    }
}
