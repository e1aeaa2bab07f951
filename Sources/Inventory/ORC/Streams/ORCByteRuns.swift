/// Decodes bytes in runs: of tinyint columns, and eight booleans each.
final class ORCByteRuns {
    private let stream: ORCStream
    private var left = 0
    private var isLiteral = false
    private var value: UInt8 = 0

    init(_ stream: ORCStream) {
        self.stream = stream
    }

    func isAtEnd() throws -> Bool { try left == 0 && stream.isAtEnd() }

    /// Decodes the next `count` bytes.
    func decode(_ count: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        var done = 0
        while done < count {
            if left == 0 {
                let control = Int8(bitPattern: try stream.byte())
                isLiteral = control < 0
                left = isLiteral ? -Int(control) : Int(control) + 3
                if !isLiteral { value = try stream.byte() }
            }
            let piece = min(left, count - done)
            if isLiteral {
                try stream.need(piece)
                (target + done).update(from: stream.position, count: piece)
                stream.advance(to: stream.position + piece)
            } else {
                (target + done).update(repeating: value, count: piece)
            }
            done += piece
            left -= piece
        }
    }
}

/// Decodes booleans, of which each byte has eight, the highest bit first.
final class ORCBits {
    private let bytes: ORCByteRuns
    /// What is left of a byte, at its upper end.
    private var rest: UInt8 = 0
    private var restCount = 0
    private let packed: UnsafeMutablePointer<UInt8>

    init(_ stream: ORCStream) {
        bytes = ORCByteRuns(stream)
        packed = .allocate(capacity: ColumnVector.capacity / 8 + 1)
        packed.initialize(repeating: 0, count: ColumnVector.capacity / 8 + 1)
    }

    deinit { packed.deallocate() }

    func isAtEnd() throws -> Bool { try bytes.isAtEnd() }

    /// Decodes the next `count` booleans, at most ``ColumnVector/capacity``, each to a byte 0 or 1.
    ///
    /// - Returns: how many of them are true.
    func decode(_ count: Int, into target: UnsafeMutablePointer<UInt8>) throws -> Int {
        var done = 0
        var sum = 0
        while restCount > 0, done < count {
            target[done] = rest >> 7
            sum += Int(rest >> 7)
            rest <<= 1
            restCount -= 1
            done += 1
        }
        let whole = (count - done) >> 3
        let odd = (count - done) & 7
        try bytes.decode(whole + (odd > 0 ? 1 : 0), into: packed)
        for index in 0..<whole {
            let byte = packed[index]
            sum &+= byte.nonzeroBitCount
            // Spreads eight bits over eight bytes, the highest to the first.
            let spread = (UInt64(byte) &* 0x8040_2010_0804_0201) &>> 7 & 0x0101_0101_0101_0101
            UnsafeMutableRawPointer(target + done).storeBytes(of: spread.littleEndian, as: UInt64.self)
            done &+= 8
        }
        if odd > 0 {
            rest = packed[whole]
            restCount = 8
            for _ in 0..<odd {
                target[done] = rest >> 7
                sum += Int(rest >> 7)
                rest <<= 1
                restCount -= 1
                done += 1
            }
        }
        return sum
    }
}
