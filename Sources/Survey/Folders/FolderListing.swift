import Basics
import Index
import Model

extension IndexReader {
    /// The names in one folder, in byte order, a page at a time. What the other view shows and the view does not is among
    /// them.
    ///
    /// - Parameter limit: a page that is not full by then ends, and says where to go on.
    public func folderPage(_ query: FolderQuery, limit: ScanLimit = .none) throws -> FolderPage {
        var page = FolderPage()
        guard let directory = try directory(prefix: query.prefix) else { return page }
        let cursor = try cursor()
        defer { cursor.close() }
        cursor.seek(directory: directory, from: query.from)
        var gathered: GatheredItem?
        var untilLook = 1024
        while try cursor.next() {
            let row = cursor.row
            if let last = gathered, !last.item.name.withUnsafeBytes({ row.name.isEqual(to: $0) }) {
                if last.isWanted(query) { page.items.append(last.item) }
                gathered = nil
                untilLook -= 1
                if untilLook == 0 {
                    untilLook = 1024
                    try Interruption.check()
                    if limit.isOver { page.next = Array(row.name) }
                }
                if page.items.count >= query.count { page.next = Array(row.name) }
                if page.next != nil { return page }
            }
            var now = gathered ?? GatheredItem(FolderItem(name: Array(row.name), isFolder: row.isDirectory))
            now.add(row, query, timeline)
            gathered = now
        }
        if let last = gathered, last.isWanted(query) { page.items.append(last.item) }
        return page
    }

    /// Whether any view that is known of shows, or has shown, a key below a prefix that ends with `/`.
    public func knowsFolder(_ prefix: [UInt8]) throws -> Bool {
        try prefix.isEmpty || directory(prefix: prefix) != nil
    }
}

/// A name whose rows are being read.
private struct GatheredItem {
    var item: FolderItem
    private var end: Int64 = .min

    init(_ item: FolderItem) {
        self.item = item
    }

    mutating func add(_ row: EntryRow, _ query: FolderQuery, _ timeline: Timeline) {
        if row.isMarker { return }
        if query.view.shows(row, timeline) {
            item.isShown = true
            item.flags = row.flags
            if !item.isFolder { item.identity = row.identity }
        }
        if let other = query.other, other.shows(row, timeline) {
            item.isShownByOther = true
            if !item.isFolder { item.other = row.identity }
        }
        guard query.showsDeleted || query.other != nil, row.valid.from < query.view.time.milliseconds,
            row.valid.from != .max, row.valid.to > end
        else { return }
        end = row.valid.to
        if !item.isFolder { item.former = row.identity }
        item.deletedAt = end <= query.view.time.milliseconds ? Timestamp(milliseconds: end) : nil
    }

    /// Whether it is to be on the page; nothing of the past is said of what is shown.
    func isWanted(_ query: FolderQuery) -> Bool {
        item.isShown || item.isShownByOther || (query.showsDeleted && end != .min)
    }
}
