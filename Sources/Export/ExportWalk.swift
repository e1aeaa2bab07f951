import Basics
import Index
import Model

/// An object that a view shows, as an export needs it.
struct ShownItem {
    var etag: ETag
    /// In bytes.
    var size: Int64
    var time: Timestamp
    var flags: EntryRow.Flags
}

/// Walks what a view shows together with an export's list, in the order of keys: every name of either once, and each
/// directory's names between its own and its end. Memory is bounded by the depth of a key.
final class ExportWalk {
    enum WalkStep {
        /// Into the directory ``name``.
        case enter
        case file
        /// Out of a directory.
        case leave
    }

    /// The prefix of keys of the current directory, with its `/`.
    private(set) var path: [UInt8] = []
    /// The current name, as in a list.
    private(set) var name: [UInt8] = []
    /// The object under the current name; nil if the view shows none.
    private(set) var item: ShownItem?
    /// Whether the view shows the directory just entered.
    private(set) var isShown = false
    /// What the list says about the current name.
    private(set) var listed: ListedName?

    private enum ShownSource {
        case nowhere
        /// Above the directory where the view's rows begin: a single name.
        case ladder(isPassed: Bool)
        case rows
    }
    private enum Row {
        case unknown, there, end
    }
    private struct WalkLevel {
        var parentLength: Int
        var source: ShownSource
        var isInList: Bool
        var twin: ShownItem?
    }

    private let reader: IndexReader
    private let view: View
    private let prefix: [UInt8]
    private let list: ListReader?
    /// The names of the directories above the view's rows.
    private var ladder: [[UInt8]] = []
    private var rows: TreeWalk?
    private var row = Row.unknown
    private var rowName: [UInt8] = []
    private var rowItem: ShownItem?
    private var levels: [WalkLevel] = []

    /// - Parameter prefix: of the keys that count as shown.
    init(_ reader: IndexReader, _ view: View, prefix: [UInt8], _ list: ListReader?) throws {
        (self.reader, self.view, self.prefix, self.list) = (reader, view, prefix, list)
        let (parent, beginning) = Key.split(prefix)
        var isEmpty = true
        try reader.list(prefix: prefix, recursive: false, view) { _ in
            isEmpty = false
            return false
        }
        var source = ShownSource.nowhere
        if !isEmpty, let directory = try reader.directory(prefix: parent) {
            let slash = UInt8(ascii: "/")
            ladder = parent.split(separator: slash, omittingEmptySubsequences: false).dropLast().map { $0 + [slash] }
            rows = try TreeWalk(reader, directory, path: Array(parent), beginning: Array(beginning))
            source = ladder.isEmpty ? .rows : .ladder(isPassed: false)
        }
        levels = [WalkLevel(parentLength: 0, source: source, isInList: list != nil)]
    }

    /// A walk over the list of one directory alone.
    ///
    /// - Parameters:
    ///   - path: its prefix of keys.
    ///   - list: at its first line.
    init(_ other: ExportWalk, path: [UInt8], _ list: ListReader) {
        (reader, view, prefix, self.list) = (other.reader, other.view, other.prefix, list)
        self.path = path
        levels = [WalkLevel(parentLength: path.count, source: .nowhere, isInList: true)]
    }

    /// The current key.
    var key: [UInt8] {
        name == ListedName.object ? Array(path.dropLast()) : path + name
    }

    /// Whether the current key is one of those that the export is about.
    var isInScope: Bool { key.starts(with: prefix) }

    /// Whether all keys below a directory in the current one are.
    func isInScope(_ name: [UInt8]) -> Bool { (path + name).starts(with: prefix) }

    /// Another reader of the list behind the current name; nil where the list does not have the current directory.
    func forkList() throws -> ListReader? {
        levels.last?.isInList == true ? try list?.fork() : nil
    }

    /// The same, where the walk has just entered a directory: behind all that it holds.
    func forkListBehind() throws -> ListReader? {
        guard levels.count > 1, levels[levels.count - 2].isInList else { return nil }
        guard levels.last?.isInList == true else { return try list?.fork() }
        let fork = try list?.fork(levels: 2)
        while fork?.name != nil { try fork?.skip() }
        try fork?.leave()
        return fork
    }

    /// Moves to the next name or the end of a directory; nil at the end of the outermost.
    func next() throws -> WalkStep? {
        try Interruption.check()
        guard let level = levels.last else { return nil }
        let shown = level.twin != nil ? ListedName.object : try shownName()
        let known = level.isInList ? list?.name : nil
        guard shown != nil || known != nil else { return try leave() }
        var isFromView = shown != nil
        var isFromList = known != nil
        if let shown, let known {
            isFromView = !ListedName.precedes(known, shown)
            isFromList = !ListedName.precedes(shown, known)
        }
        name = (isFromView ? shown : known) ?? []
        listed = isFromList ? try list?.take() : nil
        item = nil
        if ListedName.isDirectory(name) {
            isShown = isFromView
            try enter(isInList: listed?.directory != nil)
            return .enter
        }
        if isFromView {
            if let twin = level.twin {
                item = twin
                levels[levels.count - 1].twin = nil
            } else {
                item = rowItem
                row = .unknown
            }
        }
        return .file
    }

    /// Whether the view shows a directory of the current name, which is a file's.
    func showsDirectory() throws -> Bool {
        guard case .rows = levels.last?.source, let rows, name != ListedName.object else { return false }
        return try find(name + [UInt8(ascii: "/")], in: rows.directory)
    }

    private func find(_ name: [UInt8], in directory: Int64) throws -> Bool {
        try name.withUnsafeBytes { try reader.find($0, in: directory, view) != nil }
    }

    private func enter(isInList: Bool) throws {
        var below = WalkLevel(parentLength: path.count, source: .nowhere, isInList: isInList)
        if isShown {
            switch levels[levels.count - 1].source {
            case .nowhere: break
            case .ladder:
                levels[levels.count - 1].source = .ladder(isPassed: true)
                below.source = levels.count == ladder.count ? .rows : .ladder(isPassed: false)
            case .rows:
                below.twin = try twin()
                try rows?.descend()
                row = .unknown
                below.source = .rows
            }
        }
        levels.append(below)
        path += name
    }

    private func leave() throws -> WalkStep? {
        let level = levels.removeLast()
        if level.isInList { try list?.leave() }
        if case .rows = level.source { row = .unknown }
        guard !levels.isEmpty else { return nil }
        path.removeLast(path.count - level.parentLength)
        return .leave
    }

    // MARK: The view's side

    private func shownName() throws -> [UInt8]? {
        switch levels[levels.count - 1].source {
        case .nowhere: return nil
        case .ladder(let isPassed): return isPassed ? nil : ladder[levels.count - 1]
        case .rows:
            if row == .unknown { try fetch() }
            return row == .there ? rowName : nil
        }
    }

    /// Moves to the next row that gets a name of its own in the current directory.
    private func fetch() throws {
        row = .end
        guard let rows else { return }
        while let stop = try rows.next(), stop == .row {
            let found = rows.row
            guard view.shows(found, reader.timeline) else { continue }
            if found.isDirectory {
                if rows.hasVisitedDirectory { continue }
                (rowName, rowItem, row) = (Array(found.name), nil, .there)
                return
            }
            guard let item = ExportWalk.item(found, in: rows) else { continue }
            let name = Array(found.name)
            // An object whose path is a directory in this view is inside that.
            if try find(name + [UInt8(ascii: "/")], in: rows.directory) { continue }
            (rowName, rowItem, row) = (name, item, .there)
            return
        }
    }

    /// The object whose path is the directory at the current row.
    private func twin() throws -> ShownItem? {
        guard let rows else { return nil }
        return try name.dropLast().withUnsafeBytes { name in
            try reader.find(name, in: rows.directory, view).flatMap { ExportWalk.item($0, in: rows) }
        }
    }

    private static func item(_ row: borrowing EntryRow, in rows: TreeWalk) -> ShownItem? {
        // The zero-size key 'a/' only makes the directory.
        if row.name.isEmpty, row.size == 0, rows.directory != IndexReader.root { return nil }
        guard let etag = row.contentETag(prefix: rows.path) else { return nil }
        return ShownItem(etag: etag, size: row.size, time: row.lastModified, flags: row.flags)
    }
}
