import Synchronization

/// How far the reading of an inventory has got. Any thread may look at it at any time.
public final class InventoryProgress: Sendable {
    /// The compressed size of all list files together, in bytes.
    public let totalCompressedBytes: Int64
    private let rows = Atomic<Int64>(0)
    private let bytes = Atomic<Int64>(0)
    private let files = Atomic<Int64>(0)

    init(total: Int64) {
        totalCompressedBytes = total
    }

    /// Rows parsed so far; some of them may not have been returned yet.
    public var rowsParsed: Int64 { rows.load(ordering: .relaxed) }
    /// Compressed bytes of the list files read so far.
    public var compressedBytesRead: Int64 { bytes.load(ordering: .relaxed) }
    /// List files read to the end and found undamaged.
    public var filesDone: Int64 { files.load(ordering: .relaxed) }

    func add(rows count: Int) { rows.add(Int64(count), ordering: .relaxed) }
    func add(compressedBytes count: Int) { bytes.add(Int64(count), ordering: .relaxed) }
    func addFile() { files.add(1, ordering: .relaxed) }
}
