import Basics

/// Finds what a snapshot that was synced before still lacks, under the policy of today.
public final class Refetch {
    private let reader: IndexReader
    private let policy: Policy
    private let rank: Timeline.Rank

    public init(_ reader: IndexReader, _ policy: Policy, _ point: Timeline.Point) {
        self.reader = reader
        self.policy = policy
        rank = reader.timeline.rank(of: point.id)
    }

    /// Adds every blob to `wants`, and to `sink` the rows to be written when the downloads are done.
    ///
    /// - Returns: how many blobs, and their bytes (one content under several versions counts each time).
    public func run(wants: WantQueue, sink: ChangeSink) throws -> (count: Int, bytes: Int64) {
        let changes = ChangeWriter(sink)
        var count = 0
        var bytes: Int64 = 0
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        try reader.withoutBlob { directory, row in
            try Interruption.check()
            guard reader.timeline.covers(row.listedFrom, row.listedTo, rank), let etag = row.etagValue else { return }
            if prefix.directory != directory {
                guard let path = try reader.prefix(of: directory) else { return }
                prefix = (directory, path)
            }
            let key = prefix.bytes + Array(row.name)
            guard policy.asks(key) else { return }
            let isLatest = reader.timeline.covers(row.seenFrom, row.seenTo, rank)
            let isReplaced = !isLatest && row.valid.to != .max
            count += 1
            bytes = bytes.addingClamped(row.size)
            try wants.append(
                Want(
                    key: key, versionId: row.versionIsUnknown ? nil : Array(row.versionId), etag: etag, size: row.size,
                    isLatest: isLatest, isOpaque: row.flags.contains(.opaque),
                    isArchived: row.flags.contains(.archived),
                    replacedAt: isLatest
                        ? .distantFuture
                        : isReplaced ? Timestamp(milliseconds: row.valid.to) : row.lastModified))
            var tenure = StoredTenure(row)
            tenure.flags.insert(.expected)
            changes.put(tenure, row, in: directory, isNew: false, prefix: prefix.bytes, checksBlob: true)
            try changes.flushIfFull()
        }
        try changes.flush()
        return (count, bytes)
    }
}

extension IndexReader {
    /// Gives every row of a version whose blob was never seen, and is not gone, to `body`, with its directory.
    fileprivate func withoutBlob(_ body: (Int64, EntryRow) throws -> Void) throws {
        let statement = try connection.prepare(
            "SELECT \(EntryRow.columns), directory FROM entry WHERE child IS NULL AND flags & 25 = 0")
        while try statement.step() { try body(statement.integer(14), EntryRow(statement)) }
    }
}
