import Basics
import Index
import Model

/// The dates that can be opened, and where they are on the time line.
struct TimeRange {
    let first: Timestamp
    let last: Timestamp
    /// Since when every instant can be opened; before it, only snapshots.
    let horizon: Timestamp
    /// The snapshots that can be opened, oldest first.
    let stops: [Timeline.Point]

    /// Nil for a store without a snapshot.
    init?(_ reader: IndexReader) throws {
        guard let newest = reader.timeline.newest else { return nil }
        stops = reader.timeline.kept
        let earliest = try reader.earliest() ?? newest.takenAt
        // Milliseconds of the first instant are rounded up, so that its second can be opened.
        let start = max(earliest, reader.timeline.horizon).milliseconds
        let (seconds, rest) = start.quotientAndRemainder(dividingBy: 1000)
        horizon = min(newest.takenAt, Timestamp(milliseconds: (rest > 0 ? seconds + 1 : seconds) * 1000))
        first = min(horizon, stops.first?.takenAt ?? newest.takenAt)
        last = newest.takenAt
    }

    /// From 0 to 100.
    func place(_ time: Timestamp) -> Double {
        guard last > first else { return 100 }
        let share = Double(time.milliseconds - first.milliseconds) / Double(last.milliseconds - first.milliseconds)
        return min(100, max(0, share * 100))
    }

    /// So many points in time, evenly, the last one included.
    func grid(_ count: Int) -> [Timestamp] {
        guard last > first else { return [last] }
        let length = Double(last.milliseconds - first.milliseconds)
        var times: [Timestamp] = []
        for place in 0...count {
            let time = Timestamp(milliseconds: first.milliseconds + Int64(length * Double(place) / Double(count)))
            if time != times.last { times.append(time) }
        }
        times[times.count - 1] = last
        return times
    }

    /// Years, or months, or days, whichever there are a few of: where they begin, and what to call them.
    func labels() -> [(place: Double, text: String)] {
        let length = last.milliseconds - first.milliseconds
        let day: Int64 = 86_400_000
        var labels: [(Double, String)] = []
        let start = first.civil
        func add(_ time: Timestamp?, _ text: String) {
            guard let time, time >= first, time <= last else { return }
            labels.append((place(time), text))
        }
        if length > 900 * day {
            let step = max(1, Int(length / (365 * day)) / 8)
            for year in stride(from: start.year + 1, through: last.civil.year, by: step) {
                add(Timestamp(year: year, month: 1, day: 1), "\(year)")
            }
        } else if length > 40 * day {
            let months = Int(length / (30 * day)) + 2
            for month in stride(from: start.month, through: start.month + months, by: max(1, months / 8)) {
                let (year, number) = (start.year + month / 12, month % 12 + 1)
                guard let time = Timestamp(year: year, month: number, day: 1) else { continue }
                let name = PageText.shortDay(time).split(separator: " ")[1]
                add(time, number == 1 ? "\(year)" : String(name))
            }
        } else if length > 0 {
            for place in 1...5 {
                let time = Timestamp(milliseconds: first.milliseconds + length * Int64(place) / 6)
                let text =
                    length > 3 * day
                    ? PageText.shortDay(time).split(separator: " ").prefix(2).joined(separator: " ")
                    : PageText.hour(time)
                add(time, text)
            }
        }
        // No label hangs over the ends.
        return labels.filter { (3.0...97.0).contains($0.0) }
    }
}
