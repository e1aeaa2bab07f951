import Basics
import Glibc

/// Reads the rows of one CSV list file in three stages, each of which is a step of the pool: reading (with MD5),
/// decompression, parsing.
final class CSVFileReader: ListFileReader, @unchecked Sendable {
    // Decompressing.
    private let gunzip = Gunzip()
    private var chunk: CompressedChunk?
    private var block: TextBlock?
    // Parsing.
    private let parser: CSVRowParser
    private var carry: [UInt8] = []

    // Guarded by the pool's lock.
    var chunks: [CompressedChunk] = []
    var blocks: [TextBlock] = []
    var batches: [RowBatch] = []
    var isInflating = false, isParsing = false
    var hasInflated = false, hasParsedAll = false

    init(manifest: InventoryManifest, index: Int, path: String, mustBeSorted: Bool, progress: InventoryProgress) {
        parser = CSVRowParser(manifest: manifest, file: index, mustBeSorted: mustBeSorted)
        super.init(manifest: manifest, index: index, path: path, progress: progress)
    }

    static let memory = 5 << 18
    override var memory: Int { CSVFileReader.memory }
    override var wantsBytes: Bool { chunks.count < 2 }
    override var readyCount: Int { batches.count }
    override var hasParsed: Bool { hasParsedAll }

    override func takeBatch() -> RowBatch? {
        batches.isEmpty ? nil : batches.removeFirst()
    }

    /// Whether the decompression cannot continue without another chunk.
    var needsChunk: Bool {
        !gunzip.holdsOutput && (chunk.map { $0.position == $0.count } ?? true)
    }

    var hasStartedBlock: Bool { block != nil }

    /// Takes the next chunk to decompress; returns the used one.
    func exchange(_ next: CompressedChunk) -> CompressedChunk? {
        let done = chunk
        chunk = next
        return done
    }

    func takeChunk() -> CompressedChunk? {
        defer { chunk = nil }
        return chunk
    }

    func start(_ block: TextBlock) {
        block.count = 0
        self.block = block
    }

    /// Decompresses as much as possible; returns the block once it is full.
    func inflate() throws -> TextBlock? {
        guard let chunk, let block else { return nil }
        if let problem = gunzip.inflate(chunk, into: block) { throw damaged(problem) }
        guard block.count == TextBlock.capacity else { return nil }
        self.block = nil
        return block
    }

    /// Ends the decompression; returns the last block, which is not full.
    func finishInflating() throws -> TextBlock? {
        if let problem = gunzip.problemAtEnd() { throw damaged(problem) }
        defer { block = nil }
        return block
    }

    /// Parses a block, or, for nil, the rest after the last block.
    func parse(_ block: TextBlock?, into batch: RowBatch) throws {
        batch.removeAll()
        let before = parser.rowsParsed
        defer { progress.add(rows: Int(parser.rowsParsed &- before)) }
        guard let block else {
            // Only now is it known that no end of line follows.
            try parseJoined(nil, isLast: true, into: batch)
            if !carry.isEmpty { throw damaged("ends inside a row") }
            return
        }
        guard carry.count <= TextBlock.headroom else { return try parseJoined(block, isLast: false, into: batch) }
        let start = block.bytes + TextBlock.headroom - carry.count
        carry.withUnsafeBytes { rest in
            if let base = rest.baseAddress { start.copyMemory(from: base, byteCount: rest.count) }
        }
        let bytes = UnsafeMutableRawBufferPointer(start: start, count: carry.count + block.count)
        let consumed = try parser.parse(bytes, isLast: false, into: batch)
        carry.removeAll(keepingCapacity: true)
        carry.append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[consumed...]))
    }

    /// Copies a long rest and the block after it into one buffer.
    private func parseJoined(_ block: TextBlock?, isLast: Bool, into batch: RowBatch) throws {
        var joined = carry
        if let block {
            joined.append(
                contentsOf: UnsafeRawBufferPointer(start: block.bytes + TextBlock.headroom, count: block.count))
        }
        let count = joined.count
        joined.append(contentsOf: repeatElement(0, count: TextBlock.padding))
        let consumed = try joined.withUnsafeMutableBytes { bytes in
            try parser.parse(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), isLast: isLast, into: batch)
        }
        carry = Array(joined[consumed..<count])
    }
}

extension CSVFileReader {
    /// The first key of a list file, decoded; nil for one without rows. Opens, reads a little, closes.
    ///
    /// A file without a readable row is not refused here, but when it is read as a whole, with its checksum.
    static func firstKey(manifest: InventoryManifest, index: Int, path: String) throws -> [UInt8]? {
        let reader = CSVFileReader(
            manifest: manifest, index: index, path: path, mustBeSorted: false, progress: InventoryProgress(total: 0))
        let file = try File.regular(path)
        let chunk = CompressedChunk()
        var text: [UInt8] = []
        let block = TextBlock()
        let batch = RowBatch(capacity: 4096, rows: 1)
        while true {
            chunk.position = 0
            // A few kilobytes contain a row, and reading the first keys of thousands of files stays cheap.
            chunk.count = try file.read(into: UnsafeMutableRawBufferPointer(start: chunk.bytes, count: 4096))
            let isLast = chunk.count == 0
            repeat {
                block.count = 0
                if reader.gunzip.inflate(chunk, into: block) != nil { return nil }
                text.append(
                    contentsOf: UnsafeRawBufferPointer(start: block.bytes + TextBlock.headroom, count: block.count))
                if text.count > 2 * CSVRowParser.longestRow { return nil }
            } while block.count == TextBlock.capacity
            let count = text.count
            text.append(contentsOf: repeatElement(0, count: TextBlock.padding))
            do {
                _ = try text.withUnsafeMutableBytes { bytes in
                    try reader.parser.parse(
                        UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), isLast: isLast, limit: 1, into: batch)
                }
            } catch {
                return nil
            }
            text.removeLast(TextBlock.padding)
            if let row = batch.rows.first { return Array(batch.key(of: row)) }
            if isLast { return nil }
        }
    }
}
