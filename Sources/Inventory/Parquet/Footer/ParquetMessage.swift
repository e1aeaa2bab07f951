/// Reads Thrift's compact protocol, in which Parquet has its footer and the headers of its pages. The bytes are anybody's:
/// what is not such a message throws a ``ColumnarProblem``.
struct ParquetMessage {
    /// What kind a value is of, as the protocol numbers them.
    enum Wire: UInt8 {
        case yes = 1
        case no
        case byte
        case int16
        case int32
        case int64
        case double
        case bytes
        case list
        case set
        case map
        case record
        case uuid
    }

    /// Structures within structures: Parquet has no more than eight.
    private static let deepest = 24

    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0
    private var depth = 0
    private let damage: ColumnarProblem

    /// - Parameter what: what it is, for a sentence.
    init(_ bytes: UnsafeRawBufferPointer, what: String) {
        self.bytes = bytes
        damage = ColumnarProblem("has a \(what) that cannot be read")
    }

    /// Hands on the number and the kind of each field of a structure. A value that is not taken is skipped.
    mutating func fields(_ body: (inout ParquetMessage, Int, Wire) throws -> Void) throws {
        try descend()
        var number = 0
        while true {
            let header = try byte()
            if header == 0 { break }
            guard let wire = Wire(rawValue: header & 0x0f) else { throw damage }
            number =
                header >> 4 > 0 ? number + Int(header >> 4) : Int(Int16(truncatingIfNeeded: unZigzag(try varint())))
            let start = position
            try body(&self, number, wire)
            // Only truth has no bytes of its own, and then there is nothing to skip.
            if position == start { try skip(wire) }
        }
        depth -= 1
    }

    /// Hands on each element of a list, which has to be taken.
    mutating func elements(of wire: Wire, _ body: (inout ParquetMessage, Wire) throws -> Void) throws {
        guard wire == .list || wire == .set else { throw damage }
        let (count, kind) = try listHeader()
        for _ in 0..<count {
            let start = position
            try body(&self, kind)
            guard position > start else { throw damage }
        }
    }

    /// A number of any width.
    mutating func number(_ wire: Wire) throws -> Int64 {
        switch wire {
        case .byte: return Int64(Int8(bitPattern: try byte()))
        case .int16, .int32, .int64: return unZigzag(try varint())
        default: throw damage
        }
    }

    /// A number that has to be positive or 0.
    mutating func count(_ wire: Wire) throws -> Int64 {
        let number = try number(wire)
        guard number >= 0 else { throw damage }
        return number
    }

    mutating func text(_ wire: Wire) throws -> UnsafeRawBufferPointer {
        guard wire == .bytes else { throw damage }
        return try take(try varint())
    }

    /// The bytes of a value, to be read later.
    mutating func skipped(_ wire: Wire) throws -> UnsafeRawBufferPointer {
        let start = position
        try skip(wire)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    // MARK: - Bytes

    private mutating func descend() throws {
        guard depth < ParquetMessage.deepest else { throw damage }
        depth += 1
    }

    private mutating func byte() throws -> UInt8 {
        guard position < bytes.count else { throw damage }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            let byte = try byte()
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                guard shift < 63 || byte <= 1 else { break }
                return value
            }
            shift += 7
        }
        throw damage
    }

    private mutating func take(_ count: UInt64) throws -> UnsafeRawBufferPointer {
        guard count <= UInt64(bytes.count - position) else { throw damage }
        let start = position
        position += Int(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    /// Every element has at least a byte: there cannot be more of them than bytes.
    private func checkedCount(_ count: UInt64) throws -> Int {
        guard count <= UInt64(bytes.count - position) else { throw damage }
        return Int(count)
    }

    private mutating func listHeader() throws -> (count: Int, kind: Wire) {
        let header = try byte()
        let count = header >> 4 == 15 ? try varint() : UInt64(header >> 4)
        // Some writers number the kind of truth 1, others 2.
        guard let kind = Wire(rawValue: header & 0x0f) else {
            guard count == 0 else { throw damage }
            return (0, .byte)
        }
        return (try checkedCount(count), kind)
    }

    private mutating func skip(_ wire: Wire) throws {
        switch wire {
        case .yes, .no: break
        case .byte: _ = try byte()
        case .int16, .int32, .int64: _ = try varint()
        case .double: _ = try take(8)
        case .bytes: _ = try take(try varint())
        case .uuid: _ = try take(16)
        case .record: try fields { _, _, _ in }
        case .list, .set:
            try descend()
            let (count, kind) = try listHeader()
            for _ in 0..<count { try skipElement(kind) }
            depth -= 1
        case .map:
            try descend()
            let count = try checkedCount(try varint())
            if count > 0 {
                let kinds = try byte()
                guard let key = Wire(rawValue: kinds >> 4), let value = Wire(rawValue: kinds & 0x0f) else {
                    throw damage
                }
                for _ in 0..<count {
                    try skipElement(key)
                    try skipElement(value)
                }
            }
            depth -= 1
        }
    }

    /// In a list, truth has a byte.
    private mutating func skipElement(_ wire: Wire) throws {
        switch wire {
        case .yes, .no: _ = try byte()
        default: try skip(wire)
        }
    }
}
