import ReferenceModel
import Testing
@testable import Merge
@testable import Model

/// Sets of numbers as intervals, against sets of numbers.
@Suite struct IntervalTests {
    private static let size: Int64 = 12

    /// A random set in order, not touching; sometimes without an end.
    private static func set(_ random: inout SplitMix64) -> [Interval<Int64>] {
        let numbers = (0..<size).filter { _ in random.chance(50) }
        var intervals = numbers.map { Interval($0, $0 + 1) }
        if random.chance(30) { intervals.append(Interval(size - 2, .max)) }
        return intervals.normalized()
    }

    private static func numbers(_ intervals: [Interval<Int64>]) -> Set<Int64> {
        Set((0..<size + 3).filter { intervals.contains($0) })
    }

    private static func isInOrder(_ intervals: [Interval<Int64>]) -> Bool {
        intervals.allSatisfy { $0.from < $0.to } && zip(intervals, intervals.dropFirst()).allSatisfy { $0.to < $1.from }
    }

    @Test func theyBehaveAsSetsOfNumbers() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let (a, b) = (Self.set(&random), Self.set(&random))
            let (x, y) = (Self.numbers(a), Self.numbers(b))
            let union = a.union(b)
            let difference = a.subtracting(b)
            #expect(Self.isInOrder(union) && Self.numbers(union) == x.union(y), "\(a) ∪ \(b)")
            #expect(Self.isInOrder(difference) && Self.numbers(difference) == x.subtracting(y), "\(a) − \(b)")
            if a.last?.to != .max || b.last?.to != .max {
                #expect(a.lastCommon(b) == x.intersection(y).max(), "\(a) ∩ \(b)")
            } else {
                let open = Int64.max - 1
                #expect(a.lastCommon(b) == open)
            }
            let bound = Int64(random.below(Int(Self.size)))
            #expect(a.last(before: bound) == x.filter { $0 < bound }.max(), "\(a) before \(bound)")
        }
    }

    @Test func aRankIsSetOrTakenAway() {
        let some = [RankInterval(1, 3), RankInterval(5, .max)]
        #expect(some.setting(3, true, next: 4) == [RankInterval(1, 4), RankInterval(5, .max)])
        #expect(some.setting(3, true, next: 5) == [RankInterval(1, .max)])
        #expect(some.setting(4, true, next: 5) == [RankInterval(1, 3), RankInterval(4, .max)])
        #expect(some.setting(1, false, next: 2) == [RankInterval(2, 3), RankInterval(5, .max)])
        #expect(some.setting(6, false, next: 7) == [RankInterval(1, 3), RankInterval(5, 6), RankInterval(7, .max)])
        #expect(some.setting(6, false, next: .max) == [RankInterval(1, 3), RankInterval(5, 6)])
        #expect(some.setting(2, true, next: 3) == some)
        #expect([RankInterval]().setting(0, true, next: .max) == [RankInterval(0, .max)])
    }

    @Test func theUnionOfManyIsThatOfAll() {
        var random = SplitMix64(seed: 2)
        for _ in 0..<300 {
            var union = IntervalUnion<Int64>()
            var all: [Interval<Int64>] = []
            for _ in 0..<random.below(200) {
                let from = Int64(random.below(1000))
                let interval = Interval(from, random.chance(5) ? .max : from + Int64(random.below(5)))
                union.add(interval.from, interval.to)
                all.append(interval)
            }
            #expect(union.intervals == all.normalized())
        }
    }
}
