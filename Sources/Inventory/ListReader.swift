import Basics
import Glibc

/// One list file on its way to rows, in three stages: reading (and MD5), decompression, parsing.
///
/// Each stage is run by one thread at a time, whichever is free; the stages of a file run beside each other. What the
/// stages hand on to each other, and nothing else, is guarded by the pool's lock.
final class ListReader: @unchecked Sendable {
    let index: Int
    private let path: String
    private let listFile: Manifest.ListFile
    private let progress: InventoryProgress

    // Reading.
    private var file: File?
    private var md5 = MD5()
    private var bytesRead: Int64 = 0
    // Decompressing.
    private let gunzip = Gunzip()
    private var chunk: Chunk?
    private var block: Block?
    // Parsing.
    private let parser: RowParser
    private var carry: [UInt8] = []

    // Guarded by the pool's lock.
    var chunks: [Chunk] = []
    var blocks: [Block] = []
    var batches: [RowBatch] = []
    var isReading = false, isInflating = false, isParsing = false
    var hasRead = false, hasInflated = false, hasParsed = false
    /// What is wrong with the file as a whole, and what is wrong inside it: the former explains the latter.
    var fileError: (any Error)?
    var contentError: (any Error)?
    /// The memory that the parsed batches take.
    var batchBytes = 0

    init(manifest: Manifest, index: Int, path: String, mustBeSorted: Bool, progress: InventoryProgress) {
        self.index = index
        self.path = path
        self.progress = progress
        listFile = manifest.files[index]
        parser = RowParser(manifest: manifest, file: index, mustBeSorted: mustBeSorted)
    }

    /// Reads the next piece; false at the end, once the size and the MD5 are right.
    func read(into chunk: Chunk) throws -> Bool {
        if file == nil { file = try File(path, O_RDONLY) }
        chunk.count = 0
        chunk.position = 0
        while chunk.count < Chunk.capacity {
            let room = UnsafeMutableRawBufferPointer(
                start: chunk.bytes + chunk.count, count: Chunk.capacity - chunk.count)
            guard let count = try file?.read(into: room), count > 0 else { break }
            chunk.count += count
        }
        guard chunk.count > 0 else {
            file = nil
            try checkWhole()
            return false
        }
        md5.update(UnsafeRawBufferPointer(start: chunk.bytes, count: chunk.count))
        bytesRead += Int64(chunk.count)
        progress.add(compressedBytes: chunk.count)
        return true
    }

    private func checkWhole() throws {
        if let size = listFile.size, size != bytesRead {
            throw damaged("has \(bytesRead) bytes, but the manifest says \(size)")
        }
        var whole = MD5()
        swap(&whole, &md5)
        let digest = whole.finalize()
        guard digest == listFile.md5 else {
            throw damaged("has the MD5 \(Hex.encode(digest)), but the manifest says \(Hex.encode(listFile.md5))")
        }
    }

    /// The piece that is being decompressed, for a thread that takes up this stage; nil where another is needed first.
    var needsChunk: Bool {
        !gunzip.holdsOutput && (chunk.map { $0.position == $0.count } ?? true)
    }

    var hasStartedBlock: Bool { block != nil }

    /// Takes the next piece to decompress; returns the one that is done with.
    func exchange(_ next: Chunk) -> Chunk? {
        let done = chunk
        chunk = next
        return done
    }

    func takeChunk() -> Chunk? {
        defer { chunk = nil }
        return chunk
    }

    func start(_ block: Block) {
        block.count = 0
        self.block = block
    }

    /// Decompresses what there is; returns the block once it is full.
    func inflate() throws -> Block? {
        guard let chunk, let block else { return nil }
        if let problem = gunzip.inflate(chunk, into: block) { throw damaged(problem) }
        guard block.count == Block.capacity else { return nil }
        self.block = nil
        return block
    }

    /// Ends the decompression; returns the block that was not filled.
    func finishInflating() throws -> Block? {
        if let problem = gunzip.problemAtEnd() { throw damaged(problem) }
        defer { block = nil }
        return block
    }

    /// Parses a block, or the rest after the last block (nil).
    func parse(_ block: Block?, into batch: RowBatch) throws {
        batch.removeAll()
        let before = parser.rowsParsed
        defer { progress.add(rows: Int(parser.rowsParsed &- before)) }
        guard let block else {
            // Only now is it known that no line's end will come.
            try parseJoined(nil, isLast: true, into: batch)
            if !carry.isEmpty { throw damaged("ends inside a row") }
            return
        }
        guard carry.count <= Block.headroom else { return try parseJoined(block, isLast: false, into: batch) }
        let start = block.bytes + Block.headroom - carry.count
        carry.withUnsafeBytes { rest in
            if let base = rest.baseAddress { start.copyMemory(from: base, byteCount: rest.count) }
        }
        let bytes = UnsafeMutableRawBufferPointer(start: start, count: carry.count + block.count)
        let consumed = try parser.parse(bytes, isLast: false, into: batch)
        carry.removeAll(keepingCapacity: true)
        carry.append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[consumed...]))
    }

    /// Joins a long rest with the block after it, in memory of its own.
    private func parseJoined(_ block: Block?, isLast: Bool, into batch: RowBatch) throws {
        var joined = carry
        if let block {
            joined.append(contentsOf: UnsafeRawBufferPointer(start: block.bytes + Block.headroom, count: block.count))
        }
        let count = joined.count
        joined.append(contentsOf: repeatElement(0, count: Block.padding))
        let consumed = try joined.withUnsafeMutableBytes { bytes in
            try parser.parse(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), isLast: isLast, into: batch)
        }
        carry = Array(joined[consumed..<count])
    }

    func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData, "list file '\(Display.text(listFile.key))' \(problem); \(Manifest.damagedAdvice)")
    }
}

extension ListReader {
    /// The first key of a list file, decoded; nil for one without rows. Opens, reads a little, closes.
    ///
    /// A file in which no row can be found is not refused here but when it is read as a whole, with its checksum.
    static func firstKey(manifest: Manifest, index: Int, path: String) throws -> [UInt8]? {
        let reader = ListReader(
            manifest: manifest, index: index, path: path, mustBeSorted: false, progress: InventoryProgress(total: 0))
        let file = try File(path, O_RDONLY)
        let chunk = Chunk()
        var text: [UInt8] = []
        let block = Block()
        let batch = RowBatch(capacity: 4096, rows: 1)
        while true {
            chunk.position = 0
            // A few kilobytes hold a row and keep the priming of thousands of files cheap.
            chunk.count = try file.read(into: UnsafeMutableRawBufferPointer(start: chunk.bytes, count: 4096))
            let isLast = chunk.count == 0
            repeat {
                block.count = 0
                if reader.gunzip.inflate(chunk, into: block) != nil { return nil }
                text.append(contentsOf: UnsafeRawBufferPointer(start: block.bytes + Block.headroom, count: block.count))
                if text.count > 2 * RowParser.longestRow { return nil }
            } while block.count == Block.capacity
            let count = text.count
            text.append(contentsOf: repeatElement(0, count: Block.padding))
            do {
                _ = try text.withUnsafeMutableBytes { bytes in
                    try reader.parser.parse(
                        UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), isLast: isLast, limit: 1, into: batch)
                }
            } catch {
                return nil
            }
            text.removeLast(Block.padding)
            if let row = batch.rows.first { return Array(batch.key(of: row)) }
            if isLast { return nil }
        }
    }
}
