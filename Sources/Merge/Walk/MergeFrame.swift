import Basics
import Index
import Model

/// A directory on the path to the key being merged.
package final class MergeFrame {
    /// A directory as its parent lists it.
    package struct Child {
        package var directory: Int64
        package var rows: [StoredTenure]
    }

    /// Scans the directory's rows in the index; unused if the directory is new.
    package let cursor: WalkCursor
    /// The cursor is at a row.
    package var hasRow = false
    package private(set) var directory: Int64 = 0
    package private(set) var isStored = false
    /// The length of the directory's prefix, and the offset of its own name in it.
    package private(set) var prefixLength = 0
    package private(set) var nameOffset = 0
    /// The directory's own rows.
    package var stored: [StoredTenure] = []
    /// Slots assigned so far; -1 until needed.
    package var slots: Int64 = -1
    package var storedSlots: Int64 = -1
    /// The union of the children's intervals.
    package var valid = IntervalUnion<Int64>()
    package var seen = IntervalUnion<Timeline.Rank>()
    package var listed = IntervalUnion<Timeline.Rank>()
    /// The name last taken from the cursor.
    package private(set) var nameBytes: [UInt8] = []

    package init(cursor: WalkCursor) {
        self.cursor = cursor
    }

    package func begin(directory: Int64, isStored: Bool, prefixLength: Int, nameOffset: Int, stored: [StoredTenure]) {
        self.directory = directory
        self.isStored = isStored
        self.prefixLength = prefixLength
        self.nameOffset = nameOffset
        self.stored = stored
        hasRow = false
        slots = isStored ? -1 : 0
        storedSlots = isStored ? -1 : 0
        valid = IntervalUnion()
        seen = IntervalUnion()
        listed = IntervalUnion()
    }

    /// Counts a child's tenure towards the directory's own.
    ///
    /// - Parameter isShown: false for a delete marker, which no view shows.
    @inline(__always)
    package func add(_ row: StoredTenure, isShown: Bool, _ timeline: Timeline) {
        if isShown {
            if row.valid.from != .max { valid.add(row.valid.from, row.valid.to) }
            if row.seenFrom != 0 {
                seen.add(timeline.rank(of: row.seenFrom), row.seenTo == 0 ? .max : timeline.rank(of: row.seenTo))
            }
        }
        if row.listedFrom != 0 {
            listed.add(timeline.rank(of: row.listedFrom), row.listedTo == 0 ? .max : timeline.rank(of: row.listedTo))
        }
    }

    /// Whether the children add up to exactly this row: nearly always the case.
    @inline(__always)
    package func addsUp(to row: StoredTenure, _ timeline: Timeline) -> Bool {
        guard let validFrom = valid.onlyOpen, let seenFrom = seen.onlyOpen, let listedFrom = listed.onlyOpen else {
            return false
        }
        return row.flags.isEmpty && row.valid == TimeSpan(validFrom, .max)
            && row.seenTo == 0 && row.seenFrom != 0 && timeline.rank(of: row.seenFrom) == seenFrom
            && row.listedTo == 0 && row.listedFrom != 0 && timeline.rank(of: row.listedFrom) == listedFrom
    }

    /// Takes the rows of the directory at the cursor, and moves past them. Its name is in `nameBytes`.
    package func takeDirectory() throws -> Child {
        takeName()
        var child = Child(directory: cursor.row.child, rows: [])
        repeat {
            child.rows.append(StoredTenure(cursor.row))
            hasRow = try cursor.next()
        } while hasRow && standsOnName()
        return child
    }

    /// Copies the name at the cursor.
    @inline(__always)
    package func takeName() {
        nameBytes.removeAll(keepingCapacity: true)
        nameBytes.append(contentsOf: cursor.row.name)
    }

    /// Whether the cursor is still at the name last taken.
    @inline(__always)
    package func standsOnName() -> Bool {
        nameBytes.withUnsafeBytes { cursor.row.name.isEqual(to: $0) }
    }
}

extension MergeFrame {
    /// The next slot of the directory.
    package func takeSlot(_ reader: IndexReader) throws -> Int64 {
        if slots < 0 {
            slots = try reader.slots(of: directory)
            storedSlots = slots
        }
        slots += 1
        return slots
    }

    /// Updates the directory's own rows to what its children add up to, and leaves them in `tenures`.
    ///
    /// - Parameter takeSlot: returns the next slot of the parent.
    package func settleRows(
        name: UnsafeRawBufferPointer, parent: Int64, _ timeline: Timeline, _ changes: ChangeWriter,
        into tenures: inout [StoredTenure], _ takeSlot: () throws -> Int64
    ) throws {
        tenures.removeAll(keepingCapacity: true)
        if stored.count == 1, addsUp(to: stored[0], timeline) {
            tenures.append(stored[0])
            return
        }
        let valid = valid.intervals
        let seen = seen.intervals
        let listed = listed.intervals
        let count = max(1, valid.count, seen.count, listed.count)
        for index in 0..<count {
            let known = index < stored.count ? stored[index] : nil
            let row = StoredTenure(
                slot: try known?.slot ?? takeSlot(), flags: [], headers: 0, valid: valid.at(index),
                seen: seen.at(index), listed: listed.at(index), timeline)
            if row != known {
                var entry = EntryRow(name: name)
                entry.child = directory
                changes.put(row, entry, in: parent, isNew: known == nil)
            }
            tenures.append(row)
        }
        for row in stored.dropFirst(count) { changes.delete(slot: row.slot, name: name, in: parent) }
        try changes.flushIfFull()
    }
}

extension Array {
    fileprivate func at(_ index: Int) -> Element? {
        index < count ? self[index] : nil
    }
}
