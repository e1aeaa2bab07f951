import CZlib

/// Reads the pages of a chunk one after the other.
final class ParquetPageReader {
    /// A page's header, and its bytes, decompressed: after those of the header's `levelLength` the values follow.
    struct Page {
        let header: ParquetPageHeader
        let bytes: UnsafeRawBufferPointer
    }

    private let decompressor: ParquetDecompressor
    private let codec: ParquetChunk.Codec
    private var position: Int64
    private let end: Int64
    /// Bytes of the file that have been read ahead: headers are small, and often pages, too.
    private let window: ColumnarBuffer
    private var windowStart: Int64 = 0
    private var windowCount = 0

    /// Writers make pages of a megabyte.
    static let pageLimit = 64 << 20
    private static let windowLength = 16 << 10
    /// A header has the least and the greatest value of its page.
    private static let headerLimit = 1 << 20

    init(_ chunk: ParquetChunk, _ decompressor: ParquetDecompressor) throws {
        self.decompressor = decompressor
        codec = chunk.codec
        position = chunk.start
        end = chunk.end
        window = try ColumnarBuffer(
            Int(min(Int64(ParquetPageReader.windowLength), end - position)), decompressor.memory)
    }

    /// Whether there is no page left.
    var isAtEnd: Bool { position == end }

    /// Reads the next page's header, and moves behind it.
    func header() throws -> ParquetPageHeader {
        let header = try readHeader()
        position += Int64(header.headerLength)
        guard Int64(header.storedLength) <= end - position else {
            throw ColumnarProblem("has a page of \(header.storedLength) bytes, longer than its chunk")
        }
        let longest = max(header.length, header.storedLength)
        guard longest <= ParquetPageReader.pageLimit else {
            throw ColumnarProblem(
                "has a page of \(longest) bytes; Icecore reads up to \(ParquetPageReader.pageLimit >> 20) MiB",
                isUnsupported: true)
        }
        return header
    }

    private func readHeader() throws -> ParquetPageHeader {
        let most = Int(min(Int64(ParquetPageReader.headerLimit), end - position))
        var count = min(512, most)
        while true {
            do {
                return try ParquetPageHeader(try ahead(count))
            } catch let problem as ColumnarProblem {
                // It may only have been cut, by a text that is among its values.
                guard count < most else { throw problem }
                count = min(most, count * 16)
            }
        }
    }

    /// Moves behind the page whose header has been read last.
    func skip(_ header: ParquetPageHeader) {
        position += Int64(header.storedLength)
    }

    /// Reads the page whose header has been read last into `buffer`, and checks and decompresses it.
    func page(_ header: ParquetPageHeader, into buffer: ColumnarBuffer) throws -> Page {
        let start = position
        let count = header.storedLength
        position += Int64(count)
        // Levels of the second version are never compressed.
        let plainCount = header.kind == .dataV2 ? header.repetitionLength + header.levelLength : 0
        guard plainCount <= count, plainCount <= header.length else {
            throw ColumnarProblem("has a page whose levels are longer than itself")
        }
        let isPlain = codec == .none || !header.isCompressed
        guard !isPlain || count == header.length else {
            throw ColumnarProblem("has a page of \(count) bytes that says that it has \(header.length)")
        }
        try buffer.grow(to: header.length, keeping: 0)
        let output = UnsafeMutableRawBufferPointer(start: buffer.bytes, count: header.length)
        let stored: UnsafeRawBufferPointer
        if start >= windowStart, start + Int64(count) <= windowStart + Int64(windowCount) {
            stored = UnsafeRawBufferPointer(start: window.bytes + Int(start - windowStart), count: count)
        } else if isPlain {
            try decompressor.read(into: output, at: start)
            stored = UnsafeRawBufferPointer(output)
        } else {
            stored = try decompressor.read(count, at: start)
        }
        if let checksum = header.checksum { try ParquetPageReader.check(stored, checksum) }
        if stored.baseAddress != UnsafeRawPointer(buffer.bytes), plainCount > 0 || isPlain {
            output.copyMemory(from: UnsafeRawBufferPointer(rebasing: stored[..<(isPlain ? count : plainCount)]))
        }
        if !isPlain {
            let rest = UnsafeMutableRawBufferPointer(rebasing: output[plainCount...])
            // Where no row has a value, there may be nothing, not even compressed.
            if !rest.isEmpty {
                try decompressor.decompress(UnsafeRawBufferPointer(rebasing: stored[plainCount...]), codec, into: rest)
            }
        }
        return Page(header: header, bytes: UnsafeRawBufferPointer(output))
    }

    private static func check(_ bytes: UnsafeRawBufferPointer, _ expected: UInt32) throws {
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        // Without bytes it is that of nothing: 0.
        let checksum = bytes.isEmpty ? 0 : UInt32(truncatingIfNeeded: crc32(0, start, UInt32(bytes.count)))
        guard checksum == expected else { throw ColumnarProblem("has a page that differs from its checksum") }
    }

    /// The next `count` bytes, which are there, and maybe more.
    private func ahead(_ count: Int) throws -> UnsafeRawBufferPointer {
        let offset = position - windowStart
        if offset < 0 || offset + Int64(count) > Int64(windowCount) {
            windowCount = 0
            let wanted = max(count, Int(min(Int64(ParquetPageReader.windowLength), end - position)))
            try window.grow(to: wanted, keeping: 0)
            try decompressor.read(into: UnsafeMutableRawBufferPointer(start: window.bytes, count: wanted), at: position)
            windowStart = position
            windowCount = wanted
        }
        let start = Int(position - windowStart)
        return UnsafeRawBufferPointer(start: window.bytes + start, count: windowCount - start)
    }
}
