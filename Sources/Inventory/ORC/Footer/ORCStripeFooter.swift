/// The footer of a stripe: where the streams of its columns are, and how their values are encoded.
struct ORCStripeFooter {
    enum StreamKind: UInt64 {
        case present, data, length, dictionary, dictionaryCount, secondary
    }

    struct Stream {
        var kind: StreamKind
        var column: Int
        /// Where in the file it lies.
        var start: Int64
        var end: Int64
    }

    /// The streams that have values of columns; indexes and filters are left out.
    private(set) var streams: [Stream] = []
    /// How each column is encoded, and the size of its dictionary.
    private(set) var encodings: [(kind: UInt64, dictionarySize: UInt64)] = []
    private(set) var timeZone: [UInt8] = []

    /// A column has up to four streams with values, and four besides.
    private static let streamLimit = ORCFooter.columnLimit * 8

    /// - Parameters:
    ///   - start: where the stripe begins in the file; its streams follow each other from there.
    ///   - end: where its footer begins.
    init(_ bytes: UnsafeRawBufferPointer, from start: Int64, to end: Int64) throws {
        var message = ORCMessage(bytes)
        var position = start
        var count = 0
        while let field = try message.next() {
            switch field.number {
            case 1:
                count += 1
                guard count <= ORCStripeFooter.streamLimit else { throw ColumnarProblem("has too many streams") }
                let (kind, column, length) = try ORCStripeFooter.stream(try field.bytes())
                guard length <= end - position else {
                    throw ColumnarProblem("has a stream that ends behind its stripe")
                }
                if let kind = StreamKind(rawValue: kind), let column = Int(exactly: column) {
                    streams.append(Stream(kind: kind, column: column, start: position, end: position + length))
                }
                position += length
            case 2:
                guard encodings.count <= ORCFooter.columnLimit else { throw ColumnarProblem("has too many encodings") }
                encodings.append(try ORCStripeFooter.encoding(try field.bytes()))
            case 3: timeZone = Array(try field.bytes().prefix(100))
            case 4: throw ColumnarProblem("has encrypted columns, which Icecore does not read", isUnsupported: true)
            default: break
            }
        }
    }

    private static func stream(_ bytes: UnsafeRawBufferPointer) throws -> (UInt64, UInt64, Int64) {
        var kind: UInt64 = 0
        var column: UInt64 = 0
        var length: Int64 = 0
        var message = ORCMessage(bytes)
        while let field = try message.next() {
            switch field.number {
            case 1: kind = try field.unsigned()
            case 2: column = try field.unsigned()
            case 3: length = try field.count()
            default: break
            }
        }
        return (kind, column, length)
    }

    private static func encoding(_ bytes: UnsafeRawBufferPointer) throws -> (kind: UInt64, dictionarySize: UInt64) {
        var kind: UInt64 = 0
        var size: UInt64 = 0
        var message = ORCMessage(bytes)
        while let field = try message.next() {
            switch field.number {
            case 1: kind = try field.unsigned()
            case 2: size = try field.unsigned()
            default: break
            }
        }
        return (kind, size)
    }

    /// The stream of a column; nil if it has none, which means an empty one.
    func stream(_ kind: StreamKind, of column: Int) throws -> Stream? {
        var found: Stream?
        for stream in streams where stream.kind == kind && stream.column == column {
            guard found == nil else { throw ColumnarProblem("has two streams of one kind") }
            found = stream
        }
        return found
    }
}
