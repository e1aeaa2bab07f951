import Basics

/// What the first rows of an inventory's first list file say about the whole.
public struct InventorySample: Sendable {
    /// How many complete rows there were, delete markers among them.
    public private(set) var rows = 0
    /// The sizes of the others, but for archived ones, which no sync fetches unasked.
    public private(set) var sizes: [Int64] = []
    /// How many were archived.
    public private(set) var archived = 0
    /// How many bytes of the compressed file they were in.
    public private(set) var compressedBytes = 0
    /// What ended the sample before the end of the bytes; nil if nothing did.
    public private(set) var failure: IcecoreError?

    /// The most decompressed bytes to look at.
    private static let most = 8 << 20

    /// How many bytes of the first list file a sample is made of; nil if that cannot be said from so few. A file in a
    /// columnar format can only be read as a whole.
    public static func byteCount(_ manifest: InventoryManifest) -> Int? {
        guard manifest.format.isColumnar else { return 256 << 10 }
        guard let size = manifest.files.first?.size, size <= largestColumnar else { return nil }
        return Int(size)
    }

    private static let largestColumnar = 32 << 20

    /// - Parameter beginning: the first bytes of the list file, as many as ``byteCount(_:)`` says.
    public init(_ manifest: InventoryManifest, beginning: [UInt8]) {
        guard !manifest.files.isEmpty else { return }
        do {
            if manifest.format.isColumnar {
                let sample = try ColumnarSample(manifest, bytes: beginning)
                rows = sample.rows.count
                take(sample.rows)
                compressedBytes = Int(Double(beginning.count) * sample.share)
                return
            }
            try read(CSVRowParser(manifest: manifest, file: 0, mustBeSorted: false), beginning)
        } catch let error as IcecoreError {
            failure = error
        } catch {
            failure = IcecoreError(.invalidData, "\(error)")
        }
    }

    private mutating func read(_ parser: CSVRowParser, _ beginning: [UInt8]) throws {
        let gunzip = Gunzip()
        let chunk = CompressedChunk()
        let block = TextBlock()
        let batch = RowBatch(capacity: 1 << 16, rows: 1024)
        var text: [UInt8] = []
        var rest = beginning[...]
        var seen = 0
        while seen < InventorySample.most, !rest.isEmpty {
            let piece = rest.prefix(CompressedChunk.capacity)
            rest = rest.dropFirst(piece.count)
            piece.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { chunk.bytes.copyMemory(from: base, byteCount: bytes.count) }
            }
            (chunk.position, chunk.count) = (0, piece.count)
            repeat {
                block.count = 0
                if let problem = gunzip.inflate(chunk, into: block) {
                    throw IcecoreError(
                        .invalidData, "list file '\(Display.escaped(parser.name))' \(problem)")
                }
                seen += block.count
                text.append(
                    contentsOf: UnsafeRawBufferPointer(start: block.bytes + TextBlock.headroom, count: block.count))
                try take(&text, parser, batch)
                // More than was parsed has been decompressed, but the two are close.
            } while block.count == TextBlock.capacity && seen < InventorySample.most
            compressedBytes += chunk.position
        }
    }

    private mutating func take(_ rows: ContiguousArray<InventoryRow>) {
        for row in rows where !row.flags.contains(.marker) {
            if row.flags.contains(.archived) { archived += 1 } else { sizes.append(row.size) }
        }
    }

    private mutating func take(_ text: inout [UInt8], _ parser: CSVRowParser, _ batch: RowBatch) throws {
        let count = text.count
        text.append(contentsOf: repeatElement(0, count: TextBlock.padding))
        defer {
            rows += batch.rows.count
            take(batch.rows)
            batch.removeAll()
        }
        let consumed = try text.withUnsafeMutableBytes { bytes in
            try parser.parse(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), isLast: false, into: batch)
        }
        text = Array(text[consumed..<count])
    }
}
