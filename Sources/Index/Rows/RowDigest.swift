import Basics
import SQLite

/// Detects pages from another writer: a digest of each row of `entry`, whose sum is in the table `total` and is updated
/// by the transaction that changes the rows. docs/FORMAT.md defines it.
///
/// Every step is invertible, so that two rows that differ in one place never have the same digest.
package struct RowDigest {
    package private(set) var value: UInt64 = 0

    /// Flags about a blob's presence change without the row being read, and are checked against the disk instead.
    package static let countedFlags: EntryRow.Flags = [.marker, .opaque, .archived]
    /// The rows of `total`.
    package static let entries = "entryDigest"
    package static let snapshots = "snapshotDigest"

    @inline(__always)
    package mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 32
    }

    @inline(__always)
    package mutating func add(_ number: Int64) {
        add(UInt64(bitPattern: number))
    }

    /// The length, then the bytes, eight at a time.
    @inline(__always)
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        var offset = 0
        while bytes.count - offset >= 8 {
            add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var rest: UInt64 = 0
        for index in offset..<bytes.count { rest |= UInt64(bytes[index]) << UInt64(8 * (index - offset)) }
        add(rest)
    }

    /// The digest of a row.
    @inline(__always)
    package static func of(_ row: borrowing EntryRow, in directory: Int64) -> UInt64 {
        var digest = RowDigest()
        digest.add(directory)
        digest.add(row.slot)
        digest.add(row.flags.intersection(countedFlags).rawValue)
        digest.add(row.valid.from)
        digest.add(row.valid.to)
        digest.add(row.seenFrom)
        digest.add(row.seenTo)
        digest.add(row.listedFrom)
        digest.add(row.listedTo)
        digest.add(row.child)
        digest.add(row.name)
        guard row.child == 0 else { return digest.value }
        digest.add(row.size)
        digest.add(row.lastModified.milliseconds)
        digest.add(Int64(row.versionIsUnknown ? 1 : 0) | (row.etagIsText ? 2 : 0))
        digest.add(row.versionId)
        digest.add(row.etag)
        return digest.value
    }
}

extension Connection {
    /// The sum over all rows of `entry`, by a scan.
    package func sumOfEntries() throws -> UInt64 {
        let columns = try entryColumns(withDirectory: true)
        let rows = try prepare("SELECT \(columns) FROM entry")
        var sum: UInt64 = 0
        while try rows.step() { sum &+= RowDigest.of(EntryRow(rows), in: rows.integer(EntryRow.directoryColumn)) }
        return sum
    }

    /// The sum over all rows of `snapshot`.
    package func sumOfSnapshots() throws -> UInt64 {
        let prunedAt = try knowsPrunes() ? "prunedAt" : "NULL"
        let rows = try prepare(
            """
            SELECT id, takenAt, syncedAt, metadataOnly, rowCount, keys, bytes, name, manifestMD5, filter, permanentFilter,
                \(prunedAt)
            FROM snapshot
            """)
        var sum: UInt64 = 0
        while try rows.step() {
            var digest = RowDigest()
            for column in Int32(0)..<7 { digest.add(rows.integer(column)) }
            for column in Int32(7)..<11 {
                digest.add(Int64(rows.isNull(column) ? 1 : 0))
                digest.add(rows.bytes(column))
            }
            if !rows.isNull(11) { digest.add(rows.integer(11)) }
            sum &+= digest.value
        }
        return sum
    }

    /// A sum stored in `total`; nil if no sync has written it yet.
    package func storedSum(_ name: String) throws -> UInt64? {
        guard try hasSums() else { return nil }
        let statement = try prepare("SELECT value FROM total WHERE name = '\(name)'")
        return try statement.step() ? UInt64(bitPattern: statement.integer(0)) : nil
    }

    /// Writes a sum to `total`.
    package func store(sum: UInt64, _ name: String) throws {
        let statement = try prepare("INSERT OR REPLACE INTO total (name, value) VALUES ('\(name)', ?1)")
        statement.bind(1, Int64(bitPattern: sum))
        try statement.run()
    }

    /// Recomputes the sums, at the end of a transaction that changed rows without updating them.
    public func renewDigests() throws {
        try store(sum: try sumOfEntries(), RowDigest.entries)
        try store(sum: try sumOfSnapshots(), RowDigest.snapshots)
    }
}
