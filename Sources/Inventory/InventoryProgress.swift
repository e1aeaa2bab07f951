import Synchronization

/// How far the reading of an inventory has come. Any thread may look at it at any time.
public final class InventoryProgress: Sendable {
    /// The size of all list files together, in bytes as they are stored (compressed).
    public let totalCompressedBytes: Int64
    private let rows = Atomic<Int64>(0)
    private let bytes = Atomic<Int64>(0)
    private let files = Atomic<Int64>(0)

    init(total: Int64) {
        totalCompressedBytes = total
    }

    /// Rows parsed so far; some of them may not have been handed out yet.
    public var rowsParsed: Int64 { rows.load(ordering: .relaxed) }
    /// Bytes read of the list files so far.
    public var compressedBytesRead: Int64 { bytes.load(ordering: .relaxed) }
    /// List files read to their ends and found undamaged.
    public var filesDone: Int64 { files.load(ordering: .relaxed) }

    func add(rows count: Int) { rows.add(Int64(count), ordering: .relaxed) }
    func add(compressedBytes count: Int) { bytes.add(Int64(count), ordering: .relaxed) }
    func addFile() { files.add(1, ordering: .relaxed) }
}
