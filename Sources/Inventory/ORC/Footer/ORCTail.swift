import Basics

/// The end of an ORC file: its postscript, and in front of that the footer.
struct ORCTail {
    /// Where the stripes end at the latest.
    let stripesEnd: Int64
    let format: ORCBlockFormat
    let footer: ORCFooter

    /// A footer tells of stripes and columns, a hundred bytes of each. This is enough for a hundred thousand.
    private static let footerLimit = 32 << 20

    /// - Throws: ``ColumnarProblem``, or `IcecoreError` if the file cannot be read.
    init(_ source: ColumnarSource) throws {
        guard source.size >= 4 else { throw ColumnarProblem("is empty, not even ORC") }
        let count = Int(min(source.size, 256))
        var end = [UInt8](repeating: 0, count: count)
        try end.withUnsafeMutableBytes { try source.read(into: $0, at: source.size - Int64(count)) }
        let length = Int(end[count - 1])
        guard length < count else { throw ORCTail.noPostscript }
        let postscript = try end[(count - 1 - length)..<(count - 1)].withUnsafeBytes { try ORCPostscript($0) }
        var magic: [UInt8] = [0, 0, 0]
        try magic.withUnsafeMutableBytes { try source.read(into: $0, at: 0) }
        guard magic == Array("ORC".utf8) else { throw ColumnarProblem("does not begin as ORC does") }

        let postscriptStart = source.size - 1 - Int64(length)
        guard postscript.footerLength <= postscriptStart - 3 else {
            throw ColumnarProblem("has a footer of \(postscript.footerLength) bytes, longer than the file")
        }
        guard postscript.footerLength <= ORCTail.footerLimit else {
            throw ColumnarProblem("has a footer of \(postscript.footerLength) bytes, too many for an inventory")
        }
        let footerStart = postscriptStart - postscript.footerLength
        format = try ORCBlockFormat(postscript)
        let memory = ColumnarMemory()
        let stream = ORCStream(
            blocks: ORCBlockReader(source, format, memory), from: footerStart, to: postscriptStart)
        footer = try stream.withAll(limit: ORCTail.footerLimit, what: "footer") { try ORCFooter($0) }
        stripesEnd = footerStart
    }

    fileprivate static let noPostscript = ColumnarProblem("is not ORC, or truncated: it does not end with a postscript")
}

/// What stands at the very end of the file: how the rest is compressed.
struct ORCPostscript {
    private(set) var footerLength: Int64 = 0
    private(set) var compression: UInt64 = 0
    private(set) var blockSize: UInt64 = 0

    init(_ bytes: UnsafeRawBufferPointer) throws {
        var message = ORCMessage(bytes)
        var hasMagic = false
        do {
            while let field = try message.next() {
                switch field.number {
                case 1: footerLength = try field.count()
                case 2: compression = try field.unsigned()
                case 3: blockSize = try field.unsigned()
                case 8000: hasMagic = try field.bytes().elementsEqual("ORC".utf8)
                default: break
                }
            }
        } catch is ColumnarProblem {
            throw ORCTail.noPostscript
        }
        guard hasMagic else { throw ORCTail.noPostscript }
    }
}

/// How streams and footers are compressed: in blocks that each stand alone.
struct ORCBlockFormat {
    enum Compression: UInt64 {
        case none, zlib, snappy
    }

    let compression: Compression
    /// How many bytes a block may have, decompressed.
    let blockSize: Int

    init(_ postscript: ORCPostscript) throws {
        guard let compression = Compression(rawValue: postscript.compression) else {
            let names: [UInt64: String] = [3: "LZO", 4: "LZ4", 5: "ZSTD", 6: "Brotli"]
            let name = names[postscript.compression] ?? "an unknown way (\(postscript.compression))"
            throw ColumnarProblem(
                "is compressed with \(name), which Icecore does not read: it reads ZLIB, Snappy and uncompressed",
                isUnsupported: true)
        }
        self.compression = compression
        if compression == .none {
            blockSize = 256 << 10
        } else {
            guard (1...(16 << 20)).contains(postscript.blockSize) else {
                throw ColumnarProblem(
                    "is compressed in blocks of \(postscript.blockSize) bytes; Icecore reads up to 16 MiB",
                    isUnsupported: postscript.blockSize > 0)
            }
            blockSize = Int(postscript.blockSize)
        }
    }
}
