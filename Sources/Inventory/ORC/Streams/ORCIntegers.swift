/// Decodes a stream of whole numbers.
protocol ORCIntegers: AnyObject {
    /// Decodes the next `count` numbers.
    func decode(_ count: Int, into target: UnsafeMutablePointer<Int64>) throws
    /// Whether all numbers of the stream have been decoded.
    func isAtEnd() throws -> Bool
}

/// Undoes the zigzag in which signed numbers are written: 0, -1, 1, -2 …
@inline(__always)
func unZigzag(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
}

/// Numbers in the first run length encoding.
final class ORCIntegersV1: ORCIntegers {
    private let stream: ORCStream
    private let isSigned: Bool
    /// How many numbers of the run are left.
    private var left = 0
    private var isLiteral = false
    private var value: Int64 = 0
    private var delta: Int64 = 0

    init(_ stream: ORCStream, isSigned: Bool) {
        self.stream = stream
        self.isSigned = isSigned
    }

    func isAtEnd() throws -> Bool { try left == 0 && stream.isAtEnd() }

    func decode(_ count: Int, into target: UnsafeMutablePointer<Int64>) throws {
        var done = 0
        while done < count {
            if left == 0 { try startRun() }
            let piece = min(left, count - done)
            for index in done..<(done + piece) {
                if isLiteral {
                    target[index] = try number()
                } else {
                    target[index] = value
                    value = value &+ delta
                }
            }
            done += piece
            left -= piece
        }
    }

    private func number() throws -> Int64 {
        let value = try stream.varint()
        return isSigned ? unZigzag(value) : Int64(bitPattern: value)
    }

    private func startRun() throws {
        let control = Int8(bitPattern: try stream.byte())
        isLiteral = control < 0
        if isLiteral {
            left = -Int(control)
        } else {
            delta = Int64(Int8(bitPattern: try stream.byte()))
            value = try number()
            left = Int(control) + 3
        }
    }
}
