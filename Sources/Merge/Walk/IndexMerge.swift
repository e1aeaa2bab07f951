import Basics
import Index
import Inventory
import Model

/// Merges one inventory with the index, in one pass over both in key order, and says what has to change.
///
/// The walk follows the directories: a stack of frames, one for each directory on the way to the current key, each with
/// a cursor over what the index has there. What the index has and the inventory has not is met on the way. It only
/// reads: the changes go to a sink, so that whoever owns the sink decides when they become visible.
public final class IndexMerge {
    /// What a merge found.
    public struct Summary: Sendable {
        /// Rows of the inventory, duplicates included.
        public var rows = 0
        public var duplicates = 0
        /// Keys and bytes in the inventory's own view.
        public var keys = 0
        public var bytes: Int64 = 0
        /// Versions that no earlier sync knew, and versions that this inventory no longer lists.
        public var newVersions = 0
        /// The bytes of the new versions, each counted on its own.
        public var newBytes: Int64 = 0
        public var goneVersions = 0
        /// Keys in the view of the snapshot before, as far as they are not in this one's.
        public var goneKeys = 0
        /// Blobs asked for (one content under several versions counts each time).
        public var wants = 0
        public var wantedBytes: Int64 = 0
    }

    /// What the merge needs to know of the inventory.
    public struct Parameters {
        public var timeline: Timeline
        /// The inventory's snapshot, which is in the timeline.
        public var snapshotId: Int64
        public var policy: Policy
        /// Says where a row stands, for errors: file and line.
        public var place: (InventoryRow) -> String
        /// Called for each blob asked for.
        public var want: (Want) throws -> Void

        public init(
            timeline: Timeline, snapshotId: Int64, policy: Policy, place: @escaping (InventoryRow) -> String,
            want: @escaping (Want) throws -> Void
        ) {
            self.timeline = timeline
            self.snapshotId = snapshotId
            self.policy = policy
            self.place = place
            self.want = want
        }
    }

    let reader: IndexReader
    let timeline: Timeline
    let snapshotId: Int64
    let rank: Timeline.Rank
    let next: Timeline.Rank
    /// No inventory is newer: what it says goes on for ever, and what agrees with the index changes nothing.
    let isNewest: Bool
    let policy: Policy
    let place: (InventoryRow) -> String
    let want: (Want) throws -> Void
    let changes: ChangeWriter
    var summary = Summary()

    /// The prefix of the current directory.
    var path: [UInt8] = []
    var frames: [MergeFrame] = []
    /// Frames that are not in use, each with its compiled cursor.
    private var spare: [MergeFrame] = []
    private var nextDirectory: Int64
    private var group = KeyGroup()
    /// The rows of one name, as far as they differ; reused.
    var tenures: [StoredTenure] = []

    /// - Parameters:
    ///   - reader: reads the state before; nobody may write meanwhile.
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
        changes = ChangeWriter(sink)
        nextDirectory = try reader.largestDirectory() + 1
    }

    /// Reads all rows, and gives every change to the sink.
    public func run(_ rows: SortedRows) throws -> Summary {
        try openRoot()
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
        while frames.count > 1 { try closeDirectory() }
        try closeRoot()
        try changes.flush()
        return summary
    }

    // MARK: - Walking

    private func process() throws {
        summary.duplicates += try group.settle(place)
        let key = group.key
        while frames.count > 1, !key.hasPrefix(path) { try closeDirectory() }
        var rest = UnsafeRawBufferPointer(rebasing: key[path.count...])
        while let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
            try openDirectory(UnsafeRawBufferPointer(rebasing: rest[...slash]))
            rest = UnsafeRawBufferPointer(rebasing: rest[(slash + 1)...])
        }
        let frame = frames[frames.count - 1]
        try advance(frame, to: rest)
        try merge(&group, name: rest, frame)
        group.rows.removeAll(keepingCapacity: true)
    }

    /// Deals with everything in the index that stands before `name`: the inventory does not have it.
    private func advance(_ frame: MergeFrame, to name: UnsafeRawBufferPointer) throws {
        while frame.hasRow, frame.cursor.row.name.precedes(name) { try passUnlisted(frame) }
    }

    /// Deals with the name that the frame's cursor stands on, which the inventory does not have.
    private func passUnlisted(_ frame: MergeFrame) throws {
        if frame.cursor.row.isDirectory {
            let child = try frame.takeDirectory()
            if child.rows.contains(where: { timeline.covers($0.listedFrom, $0.listedTo, rank) }) {
                // Something below it would go on being listed: all of it has to be looked at.
                try push(child, name: frame.nameBytes)
                try closeDirectory()
            } else {
                for row in child.rows { frame.add(row, isShown: true, timeline) }
            }
        } else {
            try mergeUnlisted(frame)
        }
    }

    private func openRoot() throws {
        let frame = try takeFrame(IndexReader.root)
        frame.begin(directory: IndexReader.root, isStored: true, prefixLength: 0, nameOffset: 0, stored: [])
        try reader.rows(IndexMerge.slash, in: 0) { row in frame.stored.append(StoredTenure(row)) }
        frame.hasRow = try frame.cursor.enter(IndexReader.root)
        frames.append(frame)
    }

    /// Goes down into a directory of the current one.
    private func openDirectory(_ name: UnsafeRawBufferPointer) throws {
        let parent = frames[frames.count - 1]
        try advance(parent, to: name)
        if parent.hasRow, parent.cursor.row.name.isEqual(to: name) {
            try push(try parent.takeDirectory(), name: name)
            return
        }
        let frame = try takeFrame(nextDirectory)
        frame.begin(
            directory: nextDirectory, isStored: false, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: [])
        nextDirectory += 1
        path.append(contentsOf: name)
        frames.append(frame)
        try noteLongName(name, in: parent)
    }

    private func push(_ child: MergeFrame.Child, name: some Collection<UInt8>) throws {
        let frame = try takeFrame(child.directory)
        frame.begin(
            directory: child.directory, isStored: true, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: child.rows)
        path.append(contentsOf: name)
        frame.hasRow = try frame.cursor.enter(child.directory)
        frames.append(frame)
    }

    /// A frame that is not in use, the one whose cursor stands before the directory already if there is one.
    private func takeFrame(_ directory: Int64) throws -> MergeFrame {
        // It is one of the last: those are of the directories just left.
        for place in spare.indices.suffix(4).reversed() where spare[place].cursor.ahead == directory {
            return spare.remove(at: place)
        }
        return try spare.popLast() ?? MergeFrame(cursor: try WalkCursor(reader.connection))
    }

    /// Leaves the current directory: what the index has after the last key, then the directory's own rows.
    private func closeDirectory() throws {
        let frame = frames[frames.count - 1]
        while frame.hasRow { try passUnlisted(frame) }
        frames.removeLast()
        let parent = frames[frames.count - 1]
        try path.withUnsafeBytes { bytes in
            let name = UnsafeRawBufferPointer(rebasing: bytes[frame.nameOffset...])
            if !frame.isStored {
                changes.directory(frame.directory, parent: parent.directory, slots: frame.slots, name: name)
            } else if frame.slots != frame.storedSlots {
                changes.slots(frame.directory, frame.slots)
            }
            try writeDirectoryRows(frame, name: name, parent: parent.directory) { try self.takeSlot(parent) }
        }
        for row in tenures { parent.add(row, isShown: true, timeline) }
        path.removeLast(path.count - frame.nameOffset)
        spare.append(frame)
    }

    private nonisolated(unsafe) static let slash: UnsafeRawBufferPointer = {
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        byte[0] = UInt8(ascii: "/")
        return UnsafeRawBufferPointer(byte)
    }()

    /// The root's rows stand in directory 0, where there is nothing else.
    private func closeRoot() throws {
        let frame = frames[0]
        while frame.hasRow { try passUnlisted(frame) }
        if frame.slots != frame.storedSlots { changes.slots(frame.directory, frame.slots) }
        var slot = frame.stored.map(\.slot).max() ?? 0
        try writeDirectoryRows(frame, name: IndexMerge.slash, parent: 0) {
            slot += 1
            return slot
        }
        frames.removeAll()
        spare.append(frame)
    }

    /// Brings a directory's own rows up to date, and leaves them in `tenures`.
    private func writeDirectoryRows(
        _ frame: MergeFrame, name: UnsafeRawBufferPointer, parent: Int64, _ takeSlot: () throws -> Int64
    ) throws {
        try frame.settleRows(name: name, parent: parent, timeline, changes, into: &tenures, takeSlot)
    }

    /// The next slot of a directory.
    func takeSlot(_ frame: MergeFrame) throws -> Int64 {
        try frame.takeSlot(reader)
    }

    /// Remembers a new component that some name in a mount may be too long for, or that holds NUL.
    func noteLongName(_ name: UnsafeRawBufferPointer, in frame: MergeFrame) throws {
        var component = name
        if component.last == UInt8(ascii: "/") { component = UnsafeRawBufferPointer(rebasing: component.dropLast()) }
        // The longest escape adds 13 bytes (".icecore-esc-").
        guard component.count > 255 - 13 || component.contains(0) else { return }
        changes.longName(component, in: frame.directory)
    }
}
