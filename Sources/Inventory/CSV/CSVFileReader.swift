import Basics
import Glibc

/// Reads the rows of one CSV list file in three stages: reading (with MD5), decompression, parsing.
///
/// Each stage is run by one thread at a time, any that is free; the stages of a file run in parallel. The pool's lock
/// guards only what they pass on to each other.
final class CSVFileReader: @unchecked Sendable {
    let index: Int
    private let path: String
    private let listFile: InventoryManifest.ListFile
    private let progress: InventoryProgress

    // Reading.
    private var file: File?
    private var md5 = MD5()
    private var bytesRead: Int64 = 0
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
    var isReading = false, isInflating = false, isParsing = false
    var hasRead = false, hasInflated = false, hasParsed = false
    /// What is wrong with the file as a whole, and what is wrong in its content; the former explains the latter.
    var fileError: (any Error)?
    var contentError: (any Error)?
    /// The memory that the parsed batches occupy.
    var batchBytes = 0

    init(manifest: InventoryManifest, index: Int, path: String, mustBeSorted: Bool, progress: InventoryProgress) {
        self.index = index
        self.path = path
        self.progress = progress
        listFile = manifest.files[index]
        parser = CSVRowParser(manifest: manifest, file: index, mustBeSorted: mustBeSorted)
    }

    /// Reads the next piece; false at the end, once the size and the MD5 are right.
    func read(into chunk: CompressedChunk) throws -> Bool {
        if file == nil { file = try File.regular(path) }
        chunk.count = 0
        chunk.position = 0
        while chunk.count < CompressedChunk.capacity {
            let room = UnsafeMutableRawBufferPointer(
                start: chunk.bytes + chunk.count, count: CompressedChunk.capacity - chunk.count)
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
            throw damaged("has \(bytesRead.of("byte")), but the manifest says \(size)")
        }
        var whole = MD5()
        swap(&whole, &md5)
        let digest = whole.finalize()
        guard digest == listFile.md5 else {
            throw damaged("has the MD5 \(Hex.encode(digest)), but the manifest says \(Hex.encode(listFile.md5))")
        }
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

    /// Records what is wrong in the content; the first problem counts.
    func fail(_ error: any Error) {
        if contentError == nil { contentError = error }
    }

    func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData, "list file '\(Display.escaped(listFile.key))' \(problem); \(InventoryAdvice.fetchAgain)")
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
