import Model

/// The part of a row that differs between the tenures of one version (or directory).
package struct StoredTenure: Hashable {
    package var slot: Int64
    package var flags: EntryRow.Flags
    package var valid: TimeSpan
    package var seenFrom: Int64
    package var seenTo: Int64
    package var listedFrom: Int64
    package var listedTo: Int64
    /// The id of the version's header set; 0: none, or nothing known.
    package var headers: Int64

    package init(_ row: borrowing EntryRow) {
        slot = row.slot
        flags = row.flags
        valid = row.valid
        seenFrom = row.seenFrom
        seenTo = row.seenTo
        listedFrom = row.listedFrom
        listedTo = row.listedTo
        headers = row.headers
    }

    package init(
        slot: Int64, flags: EntryRow.Flags, headers: Int64, valid: TimeSpan?, seen: RankInterval?,
        listed: RankInterval?, _ timeline: Timeline
    ) {
        self.slot = slot
        self.flags = flags
        self.headers = headers
        self.valid = valid ?? TimeSpan(.max, .max)
        seenFrom = seen.map { timeline.id(at: $0.from) } ?? 0
        seenTo = seen.map { timeline.id(at: $0.to) } ?? 0
        listedFrom = listed.map { timeline.id(at: $0.from) } ?? 0
        listedTo = listed.map { timeline.id(at: $0.to) } ?? 0
    }
}
