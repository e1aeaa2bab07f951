import Basics
import Index
import Model

/// What one directory shows in one view, in the order of the index: one range scan, however many versions there are.
///
/// The twin rule (an object of the same name as a visible directory is shown inside it) needs a look at what follows: in
/// the index only names that begin with `x` and a byte below `/` are between the file `x` and the directory `x/`, so the
/// directory is looked up only before such a name.
final class DirectoryScan {
    /// The row's name in the index (with `/` for a directory).
    private(set) var name: [UInt8] = []
    /// The id of the directory that the entry is; 0: a file.
    private(set) var child: Int64 = 0
    private(set) var slot: Int64 = 0
    /// The file's record; nil where its slot does not fit into a node id.
    private(set) var record: RowRecord?

    private let reader: IndexReader
    private let cursor: EntryCursor
    private var directory: Int64 = 0
    private var view = View(instant: Timestamp(milliseconds: 0))
    private var timeline = Timeline([])
    /// A file that is shown unless the directory of its name is.
    private var held = RowRecord()
    private var heldName: [UInt8] = []
    private var heldSlot: Int64 = 0
    private var isHolding = false
    /// The cursor's row has not been looked at yet.
    private var isUnread = false
    private var probe: [UInt8] = []

    init(_ reader: IndexReader) throws(IcecoreError) {
        self.reader = reader
        cursor = try reader.cursor()
    }

    /// The name without the `/` of a directory.
    var component: ArraySlice<UInt8> {
        child == 0 ? name[...] : name.dropLast()
    }

    /// Moves before the first entry whose name in the index is `start` or after it; after `start` with `isAfter`.
    func seek(_ directory: Int64, _ view: View, from start: [UInt8], isAfter: Bool) {
        self.directory = directory
        self.view = view
        timeline = reader.timeline
        isHolding = false
        isUnread = false
        name.removeAll(keepingCapacity: true)
        child = 0
        // Nothing is between a name and the same name followed by NUL.
        cursor.seek(directory: directory, from: isAfter ? start + [0] : start)
    }

    func close() {
        cursor.close()
        isHolding = false
        isUnread = false
    }

    /// Whether a file's row makes a file: the zero-size `a/` makes only the directory.
    static func isFile(_ row: borrowing EntryRow, in directory: Int64) -> Bool {
        if row.size != 0 { return true }
        if !row.name.isEmpty { return true }
        return directory == IndexReader.root
    }

    /// Moves to the next entry; false after the last.
    func next() throws -> Bool {
        while true {
            if isUnread {
                isUnread = false
            } else if try !cursor.next() {
                if isHolding {
                    release()
                    return true
                }
                return false
            }
            let row = cursor.row
            if isHolding {
                if heldName.withUnsafeBytes({ $0.isEqual(to: row.name) }) { continue }
                if try !isTwin(before: row.name) {
                    release()
                    isUnread = true
                    return true
                }
                isHolding = false
            }
            guard view.shows(row, timeline) else { continue }
            if row.isDirectory {
                if child != 0, name.withUnsafeBytes({ $0.isEqual(to: row.name) }) { continue }
                try reader.expectBelow(directory, row.child)
                set(&name, row.name)
                child = row.child
                slot = row.slot
                record = nil
                return true
            }
            guard DirectoryScan.isFile(row, in: directory) else { continue }
            held = RowRecord(row, node: Node.objectId(directory, row.slot) ?? 0)
            heldSlot = row.slot
            set(&heldName, row.name)
            isHolding = true
        }
    }

    /// Moves to the entry of one component, if the view shows it: the directory if there is one, else the file.
    func find(_ component: [UInt8], in directory: Int64, _ view: View) throws -> Bool {
        seek(directory, view, from: component, isAfter: false)
        defer { cursor.close() }
        set(&heldName, component)
        var isDirectoryPossible = false
        while try cursor.next() {
            let row = cursor.row
            guard component.withUnsafeBytes({ $0.isEqual(to: row.name) }) else {
                isDirectoryPossible = isPrefix(of: row.name)
                break
            }
            if view.shows(row, timeline), DirectoryScan.isFile(row, in: directory) {
                held = RowRecord(row, node: Node.objectId(directory, row.slot) ?? 0)
                heldSlot = row.slot
                isHolding = true
            }
        }
        if isDirectoryPossible {
            let isShown = try withProbe { probe in
                guard let row = try reader.find(probe, in: directory, view) else { return false }
                try reader.expectBelow(directory, row.child)
                child = row.child
                slot = row.slot
                return true
            }
            if isShown {
                record = nil
                set(&name, probe)
                isHolding = false
                return true
            }
        }
        guard isHolding else { return false }
        release()
        return true
    }

    /// Whether the directory of the held file's name is shown. `following` is the name after it in the index.
    private func isTwin(before following: UnsafeRawBufferPointer) throws -> Bool {
        guard isPrefix(of: following) else { return false }
        return try withProbe { try reader.find($0, in: directory, view) != nil }
    }

    /// Whether the directory of the held file's name can be in the index at `following` or after it.
    private func isPrefix(of following: UnsafeRawBufferPointer) -> Bool {
        following.count > heldName.count && following.hasPrefix(heldName)
            && following[heldName.count] <= UInt8(ascii: "/")
    }

    /// Gives the name of the directory of the held file's name to `body`.
    private func withProbe<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        probe.removeAll(keepingCapacity: true)
        probe.append(contentsOf: heldName)
        probe.append(UInt8(ascii: "/"))
        return try probe.withUnsafeBytes(body)
    }

    private func release() {
        swap(&name, &heldName)
        child = 0
        slot = heldSlot
        record = held.node == 0 ? nil : held
        isHolding = false
    }

    private func set(_ target: inout [UInt8], _ bytes: some Collection<UInt8>) {
        target.removeAll(keepingCapacity: true)
        target.append(contentsOf: bytes)
    }
}
