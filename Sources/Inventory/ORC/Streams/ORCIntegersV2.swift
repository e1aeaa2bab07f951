/// Numbers in the second run length encoding, in runs of up to 512.
final class ORCIntegersV2: ORCIntegers {
    static let longestRun = 512

    private let stream: ORCStream
    private let isSigned: Bool
    /// A run of which only a part was wanted so far.
    private let run: UnsafeMutablePointer<Int64>
    private var runPosition = 0
    private var runCount = 0

    init(_ stream: ORCStream, isSigned: Bool) {
        self.stream = stream
        self.isSigned = isSigned
        run = .allocate(capacity: ORCIntegersV2.longestRun)
        run.initialize(repeating: 0, count: ORCIntegersV2.longestRun)
    }

    deinit { run.deallocate() }

    func isAtEnd() throws -> Bool { try runPosition == runCount && stream.isAtEnd() }

    func decode(_ count: Int, into target: UnsafeMutablePointer<Int64>) throws {
        var done = 0
        while done < count {
            if runPosition < runCount {
                let piece = min(runCount - runPosition, count - done)
                (target + done).update(from: run + runPosition, count: piece)
                runPosition += piece
                done += piece
            } else if count - done >= ORCIntegersV2.longestRun {
                done += try decodeRun(into: target + done)
            } else {
                runPosition = 0
                runCount = 0
                runCount = try decodeRun(into: run)
            }
        }
    }

    /// Decodes a run, which is up to ``longestRun`` numbers, and returns how many they are.
    private func decodeRun(into target: UnsafeMutablePointer<Int64>) throws -> Int {
        // The longest is a patched one: header, base, numbers, patches.
        try stream.prepare(4 + 8 + ORCIntegersV2.longestRun * 8 + 31 * 8)
        guard stream.available > 0 else { throw ORCStream.cut }
        let first = stream.position[0]
        switch first >> 6 {
        case 0: return try shortRepeat(first, into: target)
        case 1: return try direct(first, into: target)
        case 2: return try patched(first, into: target)
        default: return try delta(first, into: target)
        }
    }

    /// How many bits a code of five bits stands for.
    @inline(__always)
    private static func width(_ code: UInt8) -> Int {
        let code = Int(code & 0x1f)
        if code < 24 { return code + 1 }
        switch code {
        case 24: return 26
        case 25: return 28
        case 26: return 30
        case 27: return 32
        case 28: return 40
        case 29: return 48
        case 30: return 56
        default: return 64
        }
    }

    /// The width in which numbers of so many bits are packed.
    private static func packedWidth(_ bits: Int) -> Int {
        switch bits {
        case ..<25: max(bits, 1)
        case ..<33: (bits + 1) & ~1
        case ..<57: (bits + 7) & ~7
        default: 64
        }
    }

    @inline(__always)
    private func length(_ first: UInt8) throws -> Int {
        guard stream.available >= 2 else { throw ORCStream.cut }
        return (Int(first & 1) << 8 | Int(stream.position[1])) + 1
    }

    private func shortRepeat(_ first: UInt8, into target: UnsafeMutablePointer<Int64>) throws -> Int {
        let width = Int(first >> 3 & 7) + 1
        guard stream.available > width else { throw ORCStream.cut }
        var value: UInt64 = 0
        for index in 1...width { value = value << 8 | UInt64(stream.position[index]) }
        stream.advance(to: stream.position + 1 + width)
        let count = Int(first & 7) + 3
        target.update(repeating: isSigned ? unZigzag(value) : Int64(bitPattern: value), count: count)
        return count
    }

    private func direct(_ first: UInt8, into target: UnsafeMutablePointer<Int64>) throws -> Int {
        let width = ORCIntegersV2.width(first >> 1)
        let count = try length(first)
        try unpack(count, width, from: 2, into: target)
        if isSigned {
            for index in 0..<count { target[index] = unZigzag(UInt64(bitPattern: target[index])) }
        }
        return count
    }

    /// Unpacks numbers of `width` bits, the highest bit first, and goes on behind them.
    ///
    /// - Parameter offset: how far from the stream's position they begin.
    @inline(__always)
    private func unpack(
        _ count: Int, _ width: Int, from offset: Int, into target: UnsafeMutablePointer<Int64>
    ) throws {
        let length = (count * width + 7) >> 3
        guard stream.available >= offset + length else { throw ORCStream.cut }
        let bytes = UnsafeRawPointer(stream.position + offset)
        switch width {
        case 8:
            for index in 0..<count { target[index] = Int64(bytes.load(fromByteOffset: index, as: UInt8.self)) }
        case 64:
            for index in 0..<count {
                let word = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
                target[index] = Int64(bitPattern: word)
            }
        default:
            // At most 7 bits in front of a number of at most 56: it lies in one word. The last word may reach behind
            // the stream, where the buffer has room.
            let shift = UInt64(64 - width)
            var bit = 0
            for index in 0..<count {
                let word = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
                target[index] = Int64(bitPattern: (word &<< UInt64(bit & 7)) &>> shift)
                bit &+= width
            }
        }
        stream.advance(to: stream.position + offset + length)
    }

    private static let badRun = ColumnarProblem("has a run of numbers that makes no sense")

    private func patched(_ first: UInt8, into target: UnsafeMutablePointer<Int64>) throws -> Int {
        let count = try length(first)
        guard stream.available >= 4 else { throw ORCStream.cut }
        let width = ORCIntegersV2.width(first >> 1)
        let (third, fourth) = (stream.position[2], stream.position[3])
        let baseWidth = Int(third >> 5) + 1
        let patchWidth = ORCIntegersV2.width(third)
        let gapWidth = Int(fourth >> 5) + 1
        let patchCount = Int(fourth & 0x1f)
        guard patchWidth + gapWidth <= 64, stream.available >= 4 + baseWidth else { throw ORCIntegersV2.badRun }
        var base: UInt64 = 0
        for index in 0..<baseWidth { base = base << 8 | UInt64(stream.position[4 + index]) }
        // The highest bit of the base is its sign.
        let sign = UInt64(1) << UInt64(baseWidth * 8 - 1)
        let start = base & sign != 0 ? 0 &- Int64(bitPattern: base & ~sign) : Int64(bitPattern: base)
        try unpack(count, width, from: 4 + baseWidth, into: target)

        let packed = ORCIntegersV2.packedWidth(patchWidth + gapWidth)
        try withUnsafeTemporaryAllocation(of: Int64.self, capacity: 32) { patches in
            guard let first = patches.baseAddress else { return }
            patches.initialize(repeating: 0)
            try unpack(patchCount, packed, from: 0, into: first)
            var place = 0
            for index in 0..<patchCount {
                let patch = UInt64(bitPattern: patches[index])
                let bits = patchWidth == 64 ? patch : patch & (1 << UInt64(patchWidth) - 1)
                // A gap of 255 with nothing to patch makes a longer one.
                place += Int(patch >> UInt64(patchWidth) & 0xff)
                if bits == 0 { continue }
                guard place < count else { throw ORCIntegersV2.badRun }
                target[place] |= Int64(bitPattern: width < 64 ? bits << UInt64(width) : 0)
            }
        }
        for index in 0..<count { target[index] = target[index] &+ start }
        return count
    }

    private func delta(_ first: UInt8, into target: UnsafeMutablePointer<Int64>) throws -> Int {
        let count = try length(first)
        let code = first >> 1 & 0x1f
        stream.advance(to: stream.position + 2)
        let base = try stream.varint()
        let start = isSigned ? unZigzag(base) : Int64(bitPattern: base)
        let step = unZigzag(try stream.varint())
        target[0] = start
        if code == 0 {
            if step == 0 {
                target.update(repeating: start, count: count)
            } else {
                for index in 1..<max(count, 1) { target[index] = target[index - 1] &+ step }
            }
            return count
        }
        guard count >= 2 else { throw ORCIntegersV2.badRun }
        target[1] = start &+ step
        guard count > 2 else { return count }
        try unpack(count - 2, ORCIntegersV2.width(code), from: 0, into: target + 2)
        var value = target[1]
        if step < 0 {
            for index in 2..<count {
                value = value &- target[index]
                target[index] = value
            }
        } else {
            for index in 2..<count {
                value = value &+ target[index]
                target[index] = value
            }
        }
        return count
    }
}
