/// Reads the fields of a Protocol Buffers message one after the other. The bytes are anybody's: what is not such a message
/// throws an ``ColumnarProblem``.
struct ORCMessage {
    /// A field's number and value.
    struct Field {
        enum Content {
            case number(UInt64)
            case bytes(UnsafeRawBufferPointer)
        }

        let number: UInt64
        let value: Content

        /// The value, where it has to be a number.
        func unsigned() throws -> UInt64 {
            guard case .number(let value) = value else { throw ORCMessage.damage }
            return value
        }

        /// The value, where it is a number that has to fit in a positive Int64.
        func count() throws -> Int64 {
            guard let count = Int64(exactly: try unsigned()) else { throw ORCMessage.damage }
            return count
        }

        /// The value, where it has to be bytes: a text or another message.
        func bytes() throws -> UnsafeRawBufferPointer {
            guard case .bytes(let bytes) = value else { throw ORCMessage.damage }
            return bytes
        }

        /// Hands on each number of a field that is repeated, whether its numbers are packed or not.
        func forEachNumber(_ body: (UInt64) throws -> Void) throws {
            switch value {
            case .number(let value): try body(value)
            case .bytes(let bytes):
                var packed = ORCMessage(bytes)
                while !packed.isAtEnd { try body(try packed.varint()) }
            }
        }
    }

    static let damage = ColumnarProblem("has a footer that cannot be read")

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    private var isAtEnd: Bool { position >= bytes.count }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 64 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                guard shift < 63 || byte <= 1 else { break }
                return value
            }
            shift += 7
        }
        throw ORCMessage.damage
    }

    /// The next field; nil at the end.
    mutating func next() throws -> Field? {
        guard !isAtEnd else { return nil }
        let tag = try varint()
        let number = tag >> 3
        switch tag & 7 {
        case 0: return Field(number: number, value: .number(try varint()))
        case 1: return Field(number: number, value: .bytes(try take(8)))
        case 2: return Field(number: number, value: .bytes(try take(try varint())))
        case 5: return Field(number: number, value: .bytes(try take(4)))
        default: throw ORCMessage.damage
        }
    }

    private mutating func take(_ count: UInt64) throws -> UnsafeRawBufferPointer {
        guard count <= UInt64(bytes.count - position) else { throw ORCMessage.damage }
        let start = position
        position += Int(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }
}
