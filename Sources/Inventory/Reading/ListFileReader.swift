import Basics
import Glibc

/// Reads one list file for the pool, whatever its format: its bytes once, for size and MD5, and its rows batch by batch.
///
/// Each kind of step is taken by one thread at a time, any that is free; steps of different kinds run in parallel. The
/// pool's lock guards only what they pass on to each other.
class ListFileReader: @unchecked Sendable {
    let index: Int
    let path: String
    let progress: InventoryProgress
    private let listFile: InventoryManifest.ListFile

    // Reading.
    private var file: File?
    private var md5 = MD5()
    private var bytesRead: Int64 = 0

    // Guarded by the pool's lock.
    var isReading = false
    var hasRead = false
    /// What is wrong with the file as a whole, and what is wrong in its content; the former explains the latter.
    var fileError: (any Error)?
    var contentError: (any Error)?

    init(manifest: InventoryManifest, index: Int, path: String, progress: InventoryProgress) {
        self.index = index
        self.path = path
        self.progress = progress
        listFile = manifest.files[index]
    }

    // MARK: What the pool asks, with its lock held

    /// About how many bytes it takes while it is read, apart from the read-ahead.
    var memory: Int { 0 }
    /// Whether the file should be read further by now.
    var wantsBytes: Bool { true }
    /// How many batches are ready to be taken.
    var readyCount: Int { 0 }
    /// All rows have become batches, though not all of those may have been taken.
    var hasParsed: Bool { false }

    /// Takes the next batch out, if there is one.
    ///
    /// - Throws: ``UnsortedInventory``.
    func takeBatch() throws -> RowBatch? { nil }

    // MARK: Steps, taken without the lock

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

    /// Records what is wrong in the content; the first problem counts.
    final func fail(_ error: any Error) {
        if contentError == nil { contentError = error }
    }

    final func damaged(_ problem: String) -> IcecoreError {
        IcecoreError(
            .invalidData, "list file '\(Display.escaped(listFile.key))' \(problem); \(InventoryAdvice.fetchAgain)")
    }
}

extension ListFileReader {
    /// The reader for a list file of an inventory's format.
    static func make(
        _ manifest: InventoryManifest, _ index: Int, path: String, mustBeSorted: Bool, _ progress: InventoryProgress
    ) -> ListFileReader {
        if manifest.format.isColumnar {
            ColumnarFileReader(
                manifest: manifest, index: index, path: path, mustBeSorted: mustBeSorted, progress: progress)
        } else {
            CSVFileReader(manifest: manifest, index: index, path: path, mustBeSorted: mustBeSorted, progress: progress)
        }
    }

    /// The first key of a list file; nil for one without rows, or without a row that can be read.
    static func firstKey(_ manifest: InventoryManifest, _ index: Int, path: String) throws -> [UInt8]? {
        if manifest.format.isColumnar {
            try ColumnarFileReader.firstKey(manifest: manifest, path: path)
        } else {
            try CSVFileReader.firstKey(manifest: manifest, index: index, path: path)
        }
    }
}
