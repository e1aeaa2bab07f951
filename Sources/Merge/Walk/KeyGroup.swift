import Basics
import Index
import Inventory
import Model

/// All rows of one key in the inventory being merged.
struct KeyGroup {
    /// One row. Its pointers are borrowed from its batch, or from `arena`.
    struct Row {
        var versionId: UnsafeRawBufferPointer
        var etag: UnsafeRawBufferPointer
        var facts: InventoryRow
        /// The merge found rows in the index that list this version in this inventory, and that mark it latest.
        var isListed = false
        var isLatest = false

        var isMarker: Bool { facts.flags.contains(.marker) }
        var marksLatest: Bool { facts.flags.contains(.latest) }
        var versionIsUnknown: Bool { facts.flags.contains(.unknownVersion) }
        var hasVerbatimETag: Bool { facts.flags.contains(.verbatimETag) }

        var etagValue: ETag? {
            if isMarker { return nil }
            if hasVerbatimETag { return ETag(Array(etag)) }
            return ETag(high: facts.etagHigh, low: facts.etagLow, parts: facts.etagParts)
        }

        var identity: VersionIdentity {
            VersionIdentity(
                versionId: versionIsUnknown ? nil : Array(versionId), lastModified: facts.lastModified,
                etag: etagValue, size: facts.size)
        }
    }

    var key = UnsafeRawBufferPointer(start: nil, count: 0)
    var rows: ContiguousArray<Row> = []
    /// Copies of what the rows pointed to, made if a batch is released before the group is complete.
    private var arenas: [UnsafeMutableRawBufferPointer] = []
    /// The rows' indices by the hash of their version ids; built if many share one time.
    private var placesByHash: [Int: [Int]] = [:]

    mutating func begin(_ key: UnsafeRawBufferPointer) {
        for arena in arenas { arena.deallocate() }
        arenas.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        if !placesByHash.isEmpty { placesByHash = [:] }
        self.key = key
    }

    @inline(__always)
    mutating func append(_ row: InventoryRow, _ batch: RowBatch) {
        rows.append(Row(versionId: batch.versionId(of: row), etag: batch.verbatimETag(of: row), facts: row))
    }

    /// Copies what still points into a batch.
    ///
    /// - Parameter first: the first row that does.
    mutating func detach(from first: Int) {
        let isNew = first == 0
        var count = isNew ? key.count : 0
        for row in rows[first...] { count += row.versionId.count + row.etag.count }
        let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 1)
        var used = 0
        func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            guard !bytes.isEmpty else { return UnsafeRawBufferPointer(start: nil, count: 0) }
            let target = UnsafeMutableRawBufferPointer(rebasing: arena[used..<used + bytes.count])
            target.copyMemory(from: bytes)
            used += bytes.count
            return UnsafeRawBufferPointer(target)
        }
        if isNew { key = copy(key) }
        for index in first..<rows.count {
            rows[index].versionId = copy(rows[index].versionId)
            rows[index].etag = copy(rows[index].etag)
        }
        arenas.append(arena)
    }

    /// Frees what was copied.
    mutating func end() {
        begin(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// The index of a version among too many of one time for a linear search. The rows no longer change.
    mutating func findByHash(_ stored: EntryRow) -> Int? {
        func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
            var hasher = Hasher()
            hasher.combine(bytes: bytes)
            return hasher.finalize()
        }
        if placesByHash.isEmpty {
            for (place, row) in rows.enumerated() { placesByHash[hash(row.versionId), default: []].append(place) }
        }
        return placesByHash[hash(stored.versionId)]?.first { rows[$0].isVersion(stored) }
    }

    /// Orders the rows by time, drops exact duplicates, and refuses contradictions.
    ///
    /// - Returns: the number of duplicates.
    mutating func settle(_ place: (InventoryRow) -> String) throws(IcecoreError) -> Int {
        guard rows.count > 1 else { return 0 }
        rows.sort { $0.facts.lastModified < $1.facts.lastModified }
        var duplicates = 0
        var kept = 0
        // The versions of the current second; nearly always one.
        var first = 0
        var identities: [VersionIdentity: Int] = [:]
        for index in rows.indices {
            if kept == 0 || rows[kept - 1].facts.lastModified != rows[index].facts.lastModified {
                first = kept
                identities.removeAll(keepingCapacity: true)
            }
            var twin: Int?
            if kept > first {
                if identities.isEmpty { identities[rows[first].identity] = first }
                twin = identities[rows[index].identity]
            }
            if let twin {
                if rows[twin].marksLatest != rows[index].marksLatest {
                    throw IcecoreError(
                        .invalidData,
                        "\(place(rows[index].facts)): the version is listed twice, once as latest and once not (also "
                            + "\(place(rows[twin].facts))): the inventory contradicts itself")
                }
                duplicates += 1
            } else {
                if kept > first { identities[rows[index].identity] = kept }
                if kept != index { rows[kept] = rows[index] }
                kept += 1
            }
        }
        rows.removeLast(rows.count - kept)
        var latest: Row?
        for row in rows where row.marksLatest {
            if let first = latest {
                throw IcecoreError(
                    .invalidData,
                    "\(place(row.facts)): a second latest version of the key '\(Display.escaped(key))' "
                        + "(the first: \(place(first.facts))): the inventory contradicts itself")
            }
            latest = row
        }
        return duplicates
    }
}
