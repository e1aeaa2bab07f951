import Basics
import Index
import Merge
import Model

/// What a walk over the index does for a prune. There are two walks over all rows, with the same decisions: the first
/// finds the contents of the versions to be dropped, the second strikes out those that other rows name, and writes.
protocol PruneVisitor: AnyObject {
    /// The destination of changes to rows.
    var changes: ChangeWriter { get }
    /// A row that names its content stays.
    ///
    /// - Parameter prefix: of its directory.
    func retains(_ row: borrowing EntryRow, prefix: [UInt8]) throws
    /// The content of a version is dropped. With `isRemoved`, so are its rows.
    func drops(_ version: StoredVersion, key: [UInt8], isRemoved: Bool) throws
    /// A directory is empty, and is removed.
    func removes(directory: Int64) throws
}

/// Decides for every version whether a kept view shows it, whether its content can go, and whether its rows can.
///
/// A version that no kept view shows loses its content. Its rows go, too, if the newest inventory no longer lists it
/// (otherwise the next sync would take it for new) and if nothing kept would look different without them: they can
/// determine the order of others. Rows that stay without their content have the flag `pruned`.
final class PruneWalk {
    private let reader: IndexReader
    private let timeline: Timeline
    private let horizon: Int64
    /// How many snapshots are kept before each rank.
    private let keptBefore: [Int32]
    private let newest: Timeline.Rank
    /// If set, only contents of keys with this prefix are dropped, and no rows.
    private let prefix: [UInt8]?
    private let visitor: PruneVisitor
    private let progress: (Int) -> Void

    private var stack: FrameStack
    private var path: [UInt8] { stack.path }
    /// How many rows each frame's directory has left.
    private var left: [Int] = []
    private var tenures: [StoredTenure] = []
    private var rows = 0

    init(
        _ reader: IndexReader, kept: Set<Int64>, horizon: Timestamp, prefix: [UInt8]?, _ visitor: PruneVisitor,
        progress: @escaping (Int) -> Void
    ) {
        self.reader = reader
        timeline = reader.timeline
        stack = FrameStack(reader)
        self.horizon = horizon.milliseconds
        var count: Int32 = 0
        keptBefore =
            timeline.points.map { point in
                defer { if kept.contains(point.id) { count += 1 } }
                return count
            } + [count]
        newest = Timeline.Rank(timeline.points.count) - 1
        self.prefix = prefix
        self.visitor = visitor
        self.progress = progress
    }

    func run() throws {
        try stack.openRoot()
        let root = stack.innermost
        left.append(0)
        while true {
            let frame = stack.innermost
            if frame.hasRow {
                if frame.cursor.row.isDirectory {
                    try stack.push(try frame.takeDirectory(), name: frame.nameBytes)
                    left.append(0)
                } else {
                    try visitName(frame)
                }
                continue
            }
            if stack.count == 1 { break }
            try pop(frame)
        }
        if root.slots != root.storedSlots { visitor.changes.slots(root.directory, root.slots) }
        var slot = root.stored.map(\.slot).max() ?? 0
        try root.settleRows(
            name: FrameStack.rootName, parent: 0, timeline, visitor.changes, into: &tenures
        ) {
            slot += 1
            return slot
        }
        try visitor.changes.flush()
    }

    // MARK: - Directories

    private func pop(_ frame: MergeFrame) throws {
        _ = stack.pop()
        let isEmpty = left.removeLast() == 0
        let parent = stack.innermost
        try stack.path[frame.nameOffset...].withUnsafeBytes { name in
            if isEmpty {
                for row in frame.stored { visitor.changes.delete(slot: row.slot, name: name, in: parent.directory) }
                try visitor.removes(directory: frame.directory)
                return
            }
            if frame.slots != frame.storedSlots { visitor.changes.slots(frame.directory, frame.slots) }
            try frame.settleRows(name: name, parent: parent.directory, timeline, visitor.changes, into: &tenures) {
                try parent.takeSlot(self.reader)
            }
            for row in tenures { parent.add(row, isShown: true, timeline) }
            left[left.count - 1] += 1
        }
        stack.recycle(frame)
    }

    // MARK: - Names

    /// Whether a kept view shows the tenure, or would if the version were not a marker.
    @inline(__always)
    private func isKept(_ valid: TimeSpan, _ seenFrom: Int64, _ seenTo: Int64) -> Bool {
        if valid.from != .max, valid.to > horizon { return true }
        guard seenFrom != 0 else { return false }
        let count = Timeline.Rank(keptBefore.count) - 1
        let (from, to) = (min(timeline.rank(of: seenFrom), count), seenTo == 0 ? count : timeline.rank(of: seenTo))
        return keptBefore[Int(max(from, min(to, count)))] > keptBefore[Int(from)]
    }

    /// Visits all rows of the name at the frame's cursor.
    private func visitName(_ frame: MergeFrame) throws {
        frame.takeName()
        tenures.removeAll(keepingCapacity: true)
        var keepsAll = true
        let isSpared = prefix.map { !isBelow($0, frame.nameBytes) } ?? false
        repeat {
            let row = frame.cursor.row
            tenures.append(StoredTenure(row))
            if isSpared || isKept(row.valid, row.seenFrom, row.seenTo) {
                if !row.isMarker, !row.flags.contains(.pruned) { try visitor.retains(row, prefix: path) }
            } else {
                keepsAll = false
            }
            frame.hasRow = try frame.cursor.next()
        } while frame.hasRow && frame.standsOnName()
        if !keepsAll { try frame.nameBytes.withUnsafeBytes { try thin($0, frame) } }
        for row in tenures { frame.add(row, isShown: !row.flags.contains(.marker), timeline) }
        left[left.count - 1] += tenures.count
        rows += 1
        if rows & 0xfff == 0 {
            try Interruption.check()
            progress(rows)
        }
    }

    private func isBelow(_ prefix: [UInt8], _ name: [UInt8]) -> Bool {
        let inPath = min(prefix.count, path.count)
        guard stack.path[..<inPath].elementsEqual(prefix[..<inPath]) else { return false }
        return name.starts(with: prefix[inPath...])
    }

    /// Drops what can be dropped of a key, and leaves the rows that stay in `tenures`.
    private func thin(_ name: UnsafeRawBufferPointer, _ frame: MergeFrame) throws {
        let versions = try reader.storedVersions(name, in: frame.directory, timeline)
        let isShown = versions.map { version in
            version.rows.contains { isKept($0.valid, $0.seenFrom, $0.seenTo) }
        }
        let (isRemoved, valid) = prefix == nil ? removable(versions, isShown) : ([], [])
        tenures.removeAll(keepingCapacity: true)
        for (place, version) in versions.enumerated() {
            let isMarker = version.evidence.identity.isMarker
            if !isRemoved.isEmpty, isRemoved[place] {
                try visitor.drops(version, key: path + Array(name), isRemoved: true)
                for row in version.rows { visitor.changes.delete(slot: row.slot, name: name, in: frame.directory) }
                continue
            }
            var flags = version.flags
            if !isShown[place], !isMarker, flags.isDisjoint(with: [.pruned, .gone]) {
                // Without "expected", "refused" would say that only the owner has the key.
                if flags.contains(.expected) { flags.subtract(EntryRow.Flags.absence) }
                flags.subtract([.present, .expected])
                flags.insert(.pruned)
                try visitor.drops(version, key: path + Array(name), isRemoved: false)
            }
            try writeRows(version, flags, isRemoved.isEmpty ? nil : valid[place], name: name, frame)
        }
        try visitor.changes.flushIfFull()
    }

    /// Which versions no longer need to be known, and when each of the others was current without them. Empty if none.
    private func removable(_ versions: [StoredVersion], _ isShown: [Bool]) -> ([Bool], [[TimeSpan]]) {
        let isRemoved = versions.indices.map { !isShown[$0] && !versions[$0].evidence.listed.contains(newest) }
        guard isRemoved.contains(true) else { return ([], []) }
        var valid = [[TimeSpan]](repeating: [], count: versions.count)
        let remaining = versions.indices.filter { !isRemoved[$0] }
        if remaining.isEmpty { return (isRemoved, valid) }
        let before = Succession(of: versions.map(\.evidence), timeline: timeline)
        let after = Succession(of: remaining.map { versions[$0].evidence }, timeline: timeline)
        guard after.order.map({ remaining[$0] }) == before.order.filter({ !isRemoved[$0] }) else { return ([], []) }
        for (number, place) in remaining.enumerated() {
            valid[place] = after.valid[number]
            guard since(horizon, valid[place]) == since(horizon, before.valid[place]) else { return ([], []) }
        }
        return (isRemoved, valid)
    }

    /// The parts at or after an instant.
    private func since(_ time: Int64, _ intervals: [TimeSpan]) -> [TimeSpan] {
        intervals.compactMap { $0.to > time ? TimeSpan(max($0.from, time), $0.to) : nil }
    }

    /// - Parameter valid: nil for no change.
    private func writeRows(
        _ version: StoredVersion, _ flags: EntryRow.Flags, _ valid: [TimeSpan]?, name: UnsafeRawBufferPointer,
        _ frame: MergeFrame
    ) throws {
        let evidence = version.evidence
        let valid = valid ?? version.rows.map(\.valid).filter { $0.from != .max }
        let count = max(1, evidence.listed.count, evidence.latest.count, valid.count)
        var entry = EntryRow(name: name)
        entry.size = evidence.identity.size
        entry.lastModified = evidence.identity.lastModified
        entry.versionIsUnknown = evidence.identity.versionId == nil
        entry.etagIsText = evidence.identity.etag?.verbatim != nil
        try (evidence.identity.versionId ?? []).withUnsafeBytes { versionId in
            try (evidence.identity.etag?.bytesOfRow ?? []).withUnsafeBytes { etag in
                entry.versionId = versionId
                entry.etag = etag
                for index in 0..<count {
                    let stored = index < version.rows.count ? version.rows[index] : nil
                    let row = StoredTenure(
                        slot: try stored?.slot ?? frame.takeSlot(reader), flags: flags,
                        headers: version.headers, valid: index < valid.count ? valid[index] : nil,
                        seen: index < evidence.latest.count ? evidence.latest[index] : nil,
                        listed: index < evidence.listed.count ? evidence.listed[index] : nil, timeline)
                    if row != stored { visitor.changes.put(row, entry, in: frame.directory, isNew: stored == nil) }
                    tenures.append(row)
                }
            }
        }
        for row in version.rows.dropFirst(count) {
            visitor.changes.delete(slot: row.slot, name: name, in: frame.directory)
        }
    }
}
