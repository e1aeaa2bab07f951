/// Decompresses Snappy's raw format, without its framing: google/snappy, format_description.txt.
enum Snappy {
    /// How many bytes come of it, as the data say themselves; nil if they do not begin as they should.
    static func decompressedLength(_ input: UnsafeRawBufferPointer) -> Int? {
        preamble(input)?.length
    }

    private static func preamble(_ input: UnsafeRawBufferPointer) -> (length: Int, end: Int)? {
        var length = 0
        for index in 0..<min(5, input.count) {
            length |= Int(input[index] & 0x7f) << (7 * index)
            if input[index] < 0x80 { return length <= UInt32.max ? (length, index + 1) : nil }
        }
        return nil
    }

    /// Fills `output`, which has to be as long as ``decompressedLength(_:)`` says.
    ///
    /// - Returns: whether the data are as they should be; if not, what is in `output` means nothing.
    static func decompress(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        guard let (length, start) = preamble(input), length == output.count, let source = input.baseAddress else {
            return false
        }
        guard let target = output.baseAddress else { return input.count == start }
        var position = start
        var done = 0
        while position < input.count {
            let tag = Int(source.load(fromByteOffset: position, as: UInt8.self))
            position += 1
            // How many bytes of the tag follow: of a text's length, or of how far back the copied bytes lie.
            let more = tag & 3 == 0 ? max(0, (tag >> 2) - 59) : tag & 3 == 3 ? 4 : tag & 3
            guard input.count - position >= more else { return false }
            var number = 0
            for index in 0..<more {
                number |= Int(source.load(fromByteOffset: position + index, as: UInt8.self)) << (8 * index)
            }
            position += more
            if tag & 3 == 0 {
                let count = (more > 0 ? number : tag >> 2) + 1
                guard count <= input.count - position, count <= output.count - done else { return false }
                copy(count, from: source + position, input.count - position, to: target + done, output.count - done)
                position += count
                done += count
            } else {
                let isShort = tag & 3 == 1
                let count = isShort ? (tag >> 2 & 7) + 4 : (tag >> 2) + 1
                let distance = isShort ? (tag >> 5) << 8 | number : number
                guard distance > 0, distance <= done, count <= output.count - done else { return false }
                repeatBytes(count, distance, at: target + done, output.count - done)
                done += count
            }
        }
        return done == output.count
    }

    /// Copies bytes; short ones in words, where there is room behind them.
    @inline(__always)
    private static func copy(
        _ count: Int, from source: UnsafeRawPointer, _ available: Int, to target: UnsafeMutableRawPointer, _ room: Int
    ) {
        guard count <= 16, available >= 16, room >= 16 else {
            target.copyMemory(from: source, byteCount: count)
            return
        }
        copyWord(from: source, to: target)
        copyWord(from: source + 8, to: target + 8)
    }

    @inline(__always)
    private static func copyWord(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
    }

    /// Appends bytes that lie `distance` before the target, which may be fewer than are wanted: then they repeat.
    @inline(__always)
    private static func repeatBytes(_ count: Int, _ distance: Int, at target: UnsafeMutableRawPointer, _ room: Int) {
        let source = UnsafeRawPointer(target - distance)
        guard distance >= 8, room >= count + 8 else {
            for index in 0..<count {
                target.storeBytes(
                    of: source.load(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
            }
            return
        }
        var index = 0
        while index < count {
            copyWord(from: source + index, to: target + index)
            index += 8
        }
    }
}
