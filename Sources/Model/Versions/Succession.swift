import Basics
import HeapModule

/// The order in which the versions of one key followed each other, and when each was current: rules 4 to 9 of
/// docs/SEMANTICS.md, as a pure function of what the inventories say.
public struct Succession: Sendable {
    /// The versions' indices in the given array, oldest first.
    public let order: [Int]
    /// For each version (by its index in the given array): when it was current, in order, never touching.
    public let valid: [[TimeSpan]]

    public init(of versions: [VersionEvidence], timeline: Timeline) {
        if versions.count == 1 {
            order = [0]
            valid = [Succession.existence(0, versions, [versions[0].identity.lastModified.milliseconds], timeline, [])]
            return
        }
        let overruled = Succession.overruled(versions)
        let starts = versions.indices.map { Succession.start($0, versions, overruled[$0], timeline) }
        let order = Succession.order(versions, starts, overruled)
        let latest = Succession.latestByRank(versions)

        // From the last in succession backwards: each is current while it exists and none after it does.
        var valid = [[TimeSpan]](repeating: [], count: versions.count)
        var covered: [TimeSpan] = []
        for place in order.reversed() {
            let exists = Succession.existence(place, versions, starts, timeline, latest)
            valid[place] = exists.subtracting(covered)
            covered = covered.union(exists)
        }
        self.order = order
        self.valid = valid
    }

    /// Rule 5, for each version v: those that v overrules.
    private static func overruled(_ versions: [VersionEvidence]) -> [[Int]] {
        var result = [[Int]](repeating: [], count: versions.count)
        let byTime = versions.indices.sorted { versions[$0].identity.lastModified < versions[$1].identity.lastModified }
        for (position, start) in byTime.enumerated() where !versions[start].latest.isEmpty {
            let v = versions[start]
            // Versions with an equal time may precede v, too.
            var first = position
            while first > 0, versions[byTime[first - 1]].identity.lastModified == v.identity.lastModified { first -= 1 }
            for place in byTime[first...] where place != start {
                let w = versions[place]
                guard let decides = v.latest.lastCommon(w.listed) else { continue }
                if let contradicts = w.latest.lastCommon(v.listed), contradicts > decides { continue }
                result[start].append(place)
            }
        }
        return result
    }

    /// Rule 6.
    private static func start(
        _ place: Int, _ versions: [VersionEvidence], _ overruled: [Int], _ timeline: Timeline
    ) -> Int64 {
        let v = versions[place]
        var start = v.identity.lastModified.milliseconds
        guard let firstListing = v.listed.first?.from else { return start }
        for other in overruled {
            let w = versions[other]
            start = max(start, w.identity.lastModified.milliseconds)
            if let rank = w.latest.last(before: firstListing) {
                start = max(start, timeline.points[Int(rank)].takenAt.milliseconds)
            }
        }
        return start
    }

    /// Rule 7: when the version existed, in order, never touching.
    private static func existence(
        _ place: Int, _ versions: [VersionEvidence], _ starts: [Int64], _ timeline: Timeline,
        _ latest: [(interval: RankInterval, place: Int)]
    ) -> [TimeSpan] {
        var result: [TimeSpan] = []
        for (index, run) in versions[place].listed.enumerated() {
            let from = index == 0 ? starts[place] : timeline.points[Int(run.from)].takenAt.milliseconds
            var to = Int64.max
            if run.to != .max {
                to = timeline.points[Int(run.to)].takenAt.milliseconds
                if let successor = latest.place(at: run.to) { to = max(to, starts[successor]) }
            }
            if from < to { result = result.union([TimeSpan(from, to)]) }
        }
        return result
    }

    /// Which version each inventory marks latest, by rank. No two overlap: such an inventory is refused.
    private static func latestByRank(_ versions: [VersionEvidence]) -> [(interval: RankInterval, place: Int)] {
        var result: [(interval: RankInterval, place: Int)] = []
        for (place, version) in versions.enumerated() {
            for interval in version.latest { result.append((interval, place)) }
        }
        return result.sorted { $0.interval.from < $1.interval.from }
    }

    /// Rule 8.
    private static func order(_ versions: [VersionEvidence], _ starts: [Int64], _ overruled: [[Int]]) -> [Int] {
        let byStart = versions.indices.sorted { left, right in
            starts[left] != starts[right] ? starts[left] < starts[right] : precedes(versions[left], versions[right])
        }
        var order: [Int] = []
        order.reserveCapacity(byStart.count)
        var begin = 0
        while begin < byStart.count {
            var end = begin + 1
            while end < byStart.count, starts[byStart[end]] == starts[byStart[begin]] { end += 1 }
            order.append(contentsOf: settle(byStart[begin..<end], overruled))
            begin = end
        }
        return order
    }

    /// Orders versions that start together, given smallest first, by rule 5.
    ///
    /// Rule 5 alone is not an order (three inventories can contradict each other in a cycle), so the next is always the
    /// smallest that overrules none of those left, or in a cycle simply the smallest.
    private static func settle(_ group: ArraySlice<Int>, _ overruled: [[Int]]) -> [Int] {
        guard group.count > 1, group.contains(where: { !overruled[$0].isEmpty }) else { return Array(group) }
        // By their indices in the group, which is sorted.
        let places = Array(group)
        let numbers = Dictionary(uniqueKeysWithValues: places.enumerated().map { ($1, $0) })
        var overrules = [Int](repeating: 0, count: places.count)
        var overrulers = [[Int]](repeating: [], count: places.count)
        for (number, place) in places.enumerated() {
            for other in overruled[place] {
                guard let below = numbers[other] else { continue }
                overrules[number] += 1
                overrulers[below].append(number)
            }
        }
        var free = Heap(overrules.indices.filter { overrules[$0] == 0 })
        var isTaken = [Bool](repeating: false, count: places.count)
        var first = 0
        var result: [Int] = []
        result.reserveCapacity(places.count)
        while result.count < places.count {
            while isTaken[first] { first += 1 }
            // Skip those that became free after they had been taken as the first of a cycle.
            var next = free.popMin()
            while let taken = next, isTaken[taken] { next = free.popMin() }
            let number = next ?? first
            isTaken[number] = true
            result.append(places[number])
            for above in overrulers[number] {
                overrules[above] -= 1
                if overrules[above] == 0 { free.insert(above) }
            }
        }
        return result
    }

    /// Objects before markers, then by the bytes of the version id; the rest only makes the order total.
    private static func precedes(_ left: VersionEvidence, _ right: VersionEvidence) -> Bool {
        let (a, b) = (left.identity, right.identity)
        if a.isMarker != b.isMarker { return !a.isMarker }
        if a.versionId != b.versionId {
            guard let x = a.versionId else { return true }
            guard let y = b.versionId else { return false }
            return x.lexicographicallyPrecedes(y)
        }
        let (x, y) = (a.etag?.description ?? "", b.etag?.description ?? "")
        if x != y { return Array(x.utf8).lexicographicallyPrecedes(Array(y.utf8)) }
        return (a.lastModified, a.size) < (b.lastModified, b.size)
    }
}

extension [(interval: RankInterval, place: Int)] {
    /// The index whose interval contains the rank. The intervals are in order and do not overlap.
    fileprivate func place(at rank: Timeline.Rank) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].interval.from <= rank { low = middle + 1 } else { high = middle }
        }
        return low > 0 && self[low - 1].interval.contains(rank) ? self[low - 1].place : nil
    }
}
