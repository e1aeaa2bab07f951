import Basics
import Model

extension View {
    /// Whether the view shows the version or the directory of a row.
    @inline(__always)
    public func shows(_ row: borrowing EntryRow, _ timeline: Timeline) -> Bool {
        if row.flags.contains(.marker) { return false }
        return selects(row, timeline)
    }

    /// Whether the row's version is the one that counts in the view: a delete marker, too.
    @inline(__always)
    func selects(_ row: borrowing EntryRow, _ timeline: Timeline) -> Bool {
        switch kind {
        case .snapshot(let rank): return timeline.covers(row.seenFrom, row.seenTo, rank)
        case .instant(let time): return row.valid.contains(time.milliseconds)
        }
    }
}
