import Basics

/// How a person names a view: `latest`, an inventory's name, a date, an RFC 3339 instant, or an age.
public enum When: Hashable, Sendable {
    case latest
    /// An inventory's name, such as `2024-11-06T01-00Z`.
    case inventory(String)
    /// A date: midnight UTC at its beginning.
    case date(Timestamp)
    case instant(Timestamp)
    /// Milliseconds before now.
    case age(Int64)

    private static let day: Int64 = 86_400_000
    private static let forms =
        "'latest', an inventory's name (2024-11-06T01-00Z), a date (2024-11-06), "
        + "an RFC 3339 time (2024-11-06T12:00:00Z) or an age (3d, 2w)"

    /// Parses what a person typed. Throws a usage error that lists the valid forms.
    public init(_ text: String) throws(IcecoreError) {
        let bytes = Array(text.utf8)
        if text == "latest" {
            self = .latest
        } else if let time = Timestamp(rfc3339: text) {
            self = .instant(time)
        } else if InventoryName.isValid(text) {
            self = .inventory(text)
        } else if bytes.count == 10, let time = Timestamp(rfc3339: text + "T00:00:00Z") {
            self = .date(time)
        } else if let age = When.duration(text) {
            self = .age(age)
        } else {
            throw IcecoreError(.usage, "'\(text.prefix(100))' is not a point in time: give \(When.forms)")
        }
    }

    /// The milliseconds of a duration such as `12h`, `3d`, `2w`, `1y` (365 days).
    public static func duration(_ text: String) -> Int64? {
        guard let unit = text.utf8.last, let count = Int64(text.dropLast()), text.utf8.first != UInt8(ascii: "+"),
            count >= 0
        else { return nil }
        let length: Int64
        switch unit {
        case UInt8(ascii: "h"): length = 3_600_000
        case UInt8(ascii: "d"): length = day
        case UInt8(ascii: "w"): length = 7 * day
        case UInt8(ascii: "y"): length = 365 * day
        default: return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: length)
        return overflow ? nil : product
    }

    /// The view that this names.
    ///
    /// - Parameters:
    ///   - earliest: when the first known object became current; nil if none is known.
    /// - Throws: `notFound` for a view out of range, with a message that states the range.
    public func view(in timeline: Timeline, earliest: Timestamp?, now: Timestamp) throws(IcecoreError) -> View {
        guard let newest = timeline.newest else {
            throw IcecoreError(.notFound, "the store has no snapshot yet: run 'icecore sync' first")
        }
        switch self {
        case .latest:
            return View(snapshot: newest, timeline: timeline)
        case .inventory(let name):
            if let point = timeline.points.first(where: { $0.name == name }) {
                if point.isPruned {
                    throw IcecoreError(
                        .notFound, "the snapshot \(name) was pruned. \(When.remainder(timeline, before: nil))")
                }
                return View(snapshot: point, timeline: timeline)
            }
            throw IcecoreError(
                .notFound,
                "no synced inventory is named \(name): 'icecore snapshots' lists those that are, "
                    + "'icecore sync --date \(name)' syncs it if the bucket has it")
        case .date(let midnight):
            let next = midnight.milliseconds + When.day
            let taken = timeline.points.last {
                !$0.isPruned && $0.takenAt.milliseconds < next && $0.takenAt >= midnight
            }
            if let taken { return View(snapshot: taken, timeline: timeline) }
            return try When.instant(
                Timestamp(milliseconds: next - 1), shown: String(midnight.rfc3339.prefix(10)), timeline, earliest)
        case .instant(let time):
            return try When.instant(time, shown: time.rfc3339, timeline, earliest)
        case .age(let age):
            let (milliseconds, overflow) = now.milliseconds.subtractingReportingOverflow(age)
            let time = Timestamp(milliseconds: overflow ? .min : milliseconds / 1000 * 1000)
            return try When.instant(time, shown: overflow ? "that long ago" : time.rfc3339, timeline, earliest)
        }
    }

    private static func instant(
        _ time: Timestamp, shown: String, _ timeline: Timeline, _ earliest: Timestamp?
    ) throws(IcecoreError) -> View {
        guard let newest = timeline.newest else { throw IcecoreError(.notFound, "the store has no snapshot yet") }
        if time > newest.takenAt {
            throw IcecoreError(
                .notFound,
                "\(shown) is after the newest snapshot, \(newest.name) (taken at \(newest.takenAt)): nothing is known "
                    + "about it yet"
            )
        }
        if time < timeline.horizon {
            throw IcecoreError(.notFound, "\(shown) was pruned. \(When.remainder(timeline, before: time))")
        }
        guard let earliest, time >= earliest else {
            let since = earliest.map { "the earliest known object is from \($0)" } ?? "no object is known"
            throw IcecoreError(.notFound, "\(shown) is before anything is known: \(since)")
        }
        return View(instant: time)
    }

    /// Describes what a prune has left; given an instant, also names the last snapshot before it.
    private static func remainder(_ timeline: Timeline, before time: Timestamp?) -> String {
        let kept = timeline.kept
        guard let oldest = kept.first else { return "Nothing is kept" }
        var text = "Everything is kept since \(timeline.horizon)"
        if oldest.takenAt < timeline.horizon {
            text += ", and before that single snapshots: the oldest is \(oldest.name)"
            if let time, let last = kept.last(where: { $0.takenAt <= time }), last != oldest {
                text += ", the last before that instant \(last.name)"
            }
        }
        return text + " ('icecore snapshots' lists them)"
    }
}
