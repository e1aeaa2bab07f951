import ArgumentParser

/// A number of bytes as people type it: `64M`, `1.5GiB`, `20000`. Units are powers of 1024.
struct ByteSize {
    let bytes: Int64

    init?(_ text: String) {
        let text = text.lowercased()
        let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let units = ["": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4]
        var unit = String(text.dropFirst(digits.count))
        for ending in ["ib", "b"] where unit.count == ending.count + 1 && unit.hasSuffix(ending) {
            unit.removeLast(ending.count)
        }
        guard let first = digits.first, first != ".", digits.count <= 18, let number = Double(digits),
            let power = units[unit]
        else { return nil }
        let value = (0..<power).reduce(number) { value, _ in value * 1024 }
        guard value < 0x1p62 else { return nil }
        bytes = Int64(value)
    }

    /// A size from the command line, within bounds.
    static func parse(_ text: String, _ bounds: ClosedRange<Int64>) throws -> Int64 {
        guard let size = ByteSize(text) else {
            throw ValidationError("'\(text)' is not a size: write 500K, 64M or 1.5G")
        }
        guard bounds.contains(size.bytes) else {
            throw ValidationError(
                "'\(text)' is out of range: it must be from \(bounds.lowerBound.byteCount) to "
                    + "\(bounds.upperBound.byteCount)")
        }
        return size.bytes
    }
}
