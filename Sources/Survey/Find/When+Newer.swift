import Basics
import Model

extension When {
    /// The point in time that `--newer` compares dates with: the end of a day, the beginning of an inventory's scan.
    ///
    /// - Throws: `notFound` for the latest snapshot of a store that has none.
    public func time(in timeline: Timeline, now: Timestamp = .now()) throws(IcecoreError) -> Timestamp {
        switch self {
        case .latest:
            guard let newest = timeline.newest else {
                throw IcecoreError(.notFound, "the store has no snapshot yet: run 'icecore sync' first")
            }
            return newest.takenAt
        case .inventory(let name):
            let taken = timeline.points.first { $0.name == name }?.takenAt
            return taken ?? InventoryName.timestamp(name) ?? .distantPast
        case .date(let midnight):
            let (end, overflow) = midnight.milliseconds.addingReportingOverflow(86_400_000 - 1)
            return overflow ? midnight : Timestamp(milliseconds: end)
        case .instant(let time): return time
        case .age(let age):
            let (time, overflow) = now.milliseconds.subtractingReportingOverflow(age)
            return overflow ? .distantPast : Timestamp(milliseconds: time)
        }
    }
}
