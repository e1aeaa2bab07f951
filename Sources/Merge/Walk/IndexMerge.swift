import Basics
import Index
import Inventory
import Model

/// Merges one inventory with the index, in one pass over both in key order, and emits the necessary changes.
///
/// The walk follows the directories: a stack of frames, one for each directory on the path to the current key, each
/// with a cursor over its rows in the index. Rows that the inventory lacks are met on the way. It only reads: the
/// changes go to a sink, whose owner decides when they become visible.
public final class IndexMerge {
    /// What a merge found.
    public struct Summary: Sendable {
        /// Rows of the inventory, including duplicates.
        public var rows = 0
        public var duplicates = 0
        /// Keys and bytes in the inventory's own view.
        public var keys = 0
        public var bytes: Int64 = 0
        /// Versions that no earlier sync saw, and versions that this inventory no longer lists.
        public var newVersions = 0
        /// The bytes of the new versions, each counted on its own.
        public var newBytes: Int64 = 0
        public var goneVersions = 0
        /// Keys in the previous snapshot's view that are not in this one's.
        public var goneKeys = 0
        /// Blobs requested (one content under several versions counts each time).
        public var wants = 0
        public var wantedBytes: Int64 = 0
        /// Versions with contents whose headers are asked for.
        public var headerWants = 0
        /// Versions in this inventory that are archived, or encrypted with a key of their owner, and not requested.
        public var archived = StateCount()
        public var encrypted = StateCount()

        /// Counts a version that is not requested.
        @inline(__always)
        mutating func leftOut(_ flags: EntryRow.Flags, size: Int64) {
            if flags.contains(.archived) { archived.add(size) } else { encrypted.add(size) }
        }
    }

    /// What the merge needs to know about the inventory.
    public struct Parameters {
        public var timeline: Timeline
        /// The inventory's snapshot, which the timeline contains.
        public var snapshotId: Int64
        public var policy: DownloadPolicy
        /// Describes a row's location for errors: file and line.
        public var place: (InventoryRow) -> String
        /// Called for each requested blob.
        public var want: (FetchRequest) throws -> Void
        /// Called for each version of which only the headers are requested.
        public var wantHeaders: (FetchRequest) throws -> Void

        public init(
            timeline: Timeline, snapshotId: Int64, policy: DownloadPolicy, place: @escaping (InventoryRow) -> String,
            want: @escaping (FetchRequest) throws -> Void,
            wantHeaders: @escaping (FetchRequest) throws -> Void = { _ in }
        ) {
            self.timeline = timeline
            self.snapshotId = snapshotId
            self.policy = policy
            self.place = place
            self.want = want
            self.wantHeaders = wantHeaders
        }
    }

    let reader: IndexReader
    let timeline: Timeline
    let snapshotId: Int64
    let rank: Timeline.Rank
    let next: Timeline.Rank
    /// No inventory is newer: what it says still holds, and what agrees with the index changes nothing.
    let isNewest: Bool
    let policy: DownloadPolicy
    let place: (InventoryRow) -> String
    let want: (FetchRequest) throws -> Void
    let wantHeaders: (FetchRequest) throws -> Void
    let changes: ChangeWriter
    var summary = Summary()

    private var stack: FrameStack
    /// The prefix of the current directory.
    var path: [UInt8] { stack.path }
    private var nextDirectory: Int64
    private var group = KeyGroup()
    /// What differs between the rows of one name; reused.
    var tenures: [StoredTenure] = []

    /// - Parameters:
    ///   - reader: reads the previous state; nothing may write meanwhile.
    ///   - sink: where the changes go.
    public init(_ parameters: Parameters, reader: IndexReader, sink: ChangeSink) throws {
        self.reader = reader
        timeline = parameters.timeline
        snapshotId = parameters.snapshotId
        rank = timeline.rank(of: snapshotId)
        isNewest = Int(rank) == timeline.points.count - 1
        next = isNewest ? .max : rank + 1
        policy = parameters.policy
        place = parameters.place
        want = parameters.want
        wantHeaders = parameters.wantHeaders
        changes = ChangeWriter(sink)
        stack = FrameStack(reader)
        nextDirectory = try reader.largestDirectory() + 1
    }

    /// Reads all rows, and passes every change to the sink.
    public func run(_ rows: SortedRows) throws -> Summary {
        try stack.openRoot()
        while let batch = try rows.next() {
            try Interruption.check()
            var attached = group.rows.count
            for row in batch.rows {
                let key = batch.key(of: row)
                if !group.rows.isEmpty, !group.key.isEqual(to: key) {
                    try process()
                    attached = 0
                }
                if group.rows.isEmpty { group.begin(key) }
                group.append(row, batch)
            }
            summary.rows += batch.rows.count
            if !group.rows.isEmpty { group.detach(from: attached) }
        }
        if !group.rows.isEmpty { try process() }
        group.end()
        while stack.count > 1 { try closeDirectory() }
        try closeRoot()
        try changes.flush()
        return summary
    }

    // MARK: - Walking

    private func process() throws {
        summary.duplicates += try group.settle(place)
        let key = group.key
        while stack.count > 1, !key.hasPrefix(stack.path) { try closeDirectory() }
        var rest = UnsafeRawBufferPointer(rebasing: key[stack.path.count...])
        while let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
            try openDirectory(UnsafeRawBufferPointer(rebasing: rest[...slash]))
            rest = UnsafeRawBufferPointer(rebasing: rest[(slash + 1)...])
        }
        let frame = stack.innermost
        try advance(frame, to: rest)
        try merge(&group, name: rest, frame)
        group.rows.removeAll(keepingCapacity: true)
    }

    /// Handles everything in the index before `name`: the inventory does not have it.
    private func advance(_ frame: MergeFrame, to name: UnsafeRawBufferPointer) throws {
        while frame.hasRow, frame.cursor.row.name.precedes(name) { try passUnlisted(frame) }
    }

    /// Handles the name at the frame's cursor, which the inventory does not have.
    private func passUnlisted(_ frame: MergeFrame) throws {
        if frame.cursor.row.isDirectory {
            let child = try frame.takeDirectory()
            if child.rows.contains(where: { timeline.covers($0.listedFrom, $0.listedTo, rank) }) {
                // Something below it would still count as listed: visit all of it.
                try stack.push(child, name: frame.nameBytes)
                try closeDirectory()
            } else {
                for row in child.rows { frame.add(row, isShown: true, timeline) }
            }
        } else {
            try mergeUnlisted(frame)
        }
    }

    /// Descends into a subdirectory of the current directory.
    private func openDirectory(_ name: UnsafeRawBufferPointer) throws {
        let parent = stack.innermost
        try advance(parent, to: name)
        if parent.hasRow, parent.cursor.row.name.isEqual(to: name) {
            try stack.push(try parent.takeDirectory(), name: name)
            return
        }
        try stack.pushNew(nextDirectory, name: name)
        nextDirectory += 1
        try noteLongName(name, in: parent)
    }

    /// Leaves the current directory: handles what the index has after the last key, then the directory's own rows.
    private func closeDirectory() throws {
        let frame = stack.innermost
        while frame.hasRow { try passUnlisted(frame) }
        _ = stack.pop()
        let parent = stack.innermost
        try stack.path.withUnsafeBytes { bytes in
            let name = UnsafeRawBufferPointer(rebasing: bytes[frame.nameOffset...])
            if !frame.isStored {
                changes.directory(frame.directory, parent: parent.directory, slots: frame.slots, name: name)
            } else if frame.slots != frame.storedSlots {
                changes.slots(frame.directory, frame.slots)
            }
            try writeDirectoryRows(frame, name: name, parent: parent.directory) { try self.takeSlot(parent) }
        }
        for row in tenures { parent.add(row, isShown: true, timeline) }
        stack.recycle(frame)
    }

    /// The root's rows are in directory 0, where there is nothing else.
    private func closeRoot() throws {
        let frame = stack.innermost
        while frame.hasRow { try passUnlisted(frame) }
        if frame.slots != frame.storedSlots { changes.slots(frame.directory, frame.slots) }
        var slot = frame.stored.map(\.slot).max() ?? 0
        try writeDirectoryRows(frame, name: FrameStack.rootName, parent: 0) {
            slot += 1
            return slot
        }
        stack.recycle(stack.pop())
    }

    /// Updates a directory's own rows, and leaves them in `tenures`.
    private func writeDirectoryRows(
        _ frame: MergeFrame, name: UnsafeRawBufferPointer, parent: Int64, _ takeSlot: () throws -> Int64
    ) throws {
        try frame.settleRows(name: name, parent: parent, timeline, changes, into: &tenures, takeSlot)
    }

    /// The next slot of a directory.
    func takeSlot(_ frame: MergeFrame) throws -> Int64 {
        try frame.takeSlot(reader)
    }

    /// Records a new component that contains NUL or may be too long for a name in a mount.
    func noteLongName(_ name: UnsafeRawBufferPointer, in frame: MergeFrame) throws {
        var component = name
        if component.last == UInt8(ascii: "/") { component = UnsafeRawBufferPointer(rebasing: component.dropLast()) }
        // The longest escape adds 13 bytes (".icecore-esc-").
        guard component.count > 255 - 13 || component.contains(0) else { return }
        changes.longName(component, in: frame.directory)
    }
}
