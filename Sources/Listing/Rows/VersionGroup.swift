import S3

/// The versions of one key, which may come in several pages.
struct VersionGroup {
    let key: [UInt8]
    private var pages: [(page: S3VersionPage, rows: Range<Int>)] = []
    /// How many versions there are, repeated ones included.
    private(set) var count = 0
    /// The key was listed again: what else comes of it does not count.
    private var isReplaced = false
    /// The ids that ended what was taken out: a page may repeat some of them.
    private var taken: Set<[UInt8]>?

    var isEmpty: Bool { pages.isEmpty && !isReplaced && taken == nil }

    init(key: [UInt8]) {
        self.key = key
    }

    mutating func add(_ page: S3VersionPage, _ rows: Range<Int>) {
        guard !isReplaced else { return }
        pages.append((page, rows))
        count += rows.count
    }

    /// Takes out what there is, so that a key with very many versions needs no more memory than others.
    mutating func takeBeginning(_ body: (S3VersionPage.Row, UnsafeRawBufferPointer) -> Void) {
        forEach(body)
        if let (page, rows) = pages.last { taken = Set(rows.map { page.copy(page.rows[$0].versionId) }) }
        pages = []
        count = 0
    }

    mutating func replace(by replacement: KeyReplacement) throws {
        guard taken == nil else { throw replacement.isLate() }
        pages = replacement.pages
        isReplaced = true
    }

    /// Passes each version once to `body`: the latest first, then by time from new to old.
    func forEach(_ body: (S3VersionPage.Row, UnsafeRawBufferPointer) -> Void) {
        if taken == nil, pages.count == 1, let (page, rows) = pages.first, rows.count == 1 {
            return page.withBytes { body(page.rows[rows.lowerBound], $0) }
        }
        var found: [(page: S3VersionPage, row: S3VersionPage.Row, place: Int)] = []
        var seen = taken ?? []
        for (page, rows) in pages {
            for place in rows {
                let row = page.rows[place]
                // What is repeated at the beginning of a page does not count.
                guard seen.insert(page.copy(row.versionId)).inserted else { continue }
                found.append((page, row, found.count))
            }
        }
        found.sort { first, second in
            if first.row.isLatest != second.row.isLatest { return first.row.isLatest }
            if first.row.lastModified != second.row.lastModified {
                return first.row.lastModified > second.row.lastModified
            }
            return first.place < second.place
        }
        for (page, row, _) in found { page.withBytes { body(row, $0) } }
    }
}
