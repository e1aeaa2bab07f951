import Basics
import Glibc
import Model
import Testing

/// The worked examples of docs/SEMANTICS.md, by their names there. Times are seconds.
@Suite struct SuccessionTests {
    private struct Row {
        var name: String
        var at: Int64
        var isMarker = false
        /// A null version's id is always the same.
        var id: String?
    }

    /// What one inventory lists of the key; `latest` is marked so.
    private struct ExampleInventory {
        var takenAt: Int64
        var latest: String?
        var others: [String] = []

        var listed: [String] { (latest.map { [$0] } ?? []) + others }
    }

    private struct ExampleOutcome: Equatable, CustomStringConvertible {
        /// Oldest first.
        var order: [String]
        /// When each was current, in seconds; -1: still.
        var current: [String: [[Int64]]]

        var description: String {
            let lines = current.keys.sorted().map { name in "\(name): \(current[name] ?? [])" }
            return "\(order) \(lines)"
        }
    }

    private static func outcome(_ rows: [Row], _ inventories: [ExampleInventory]) -> ExampleOutcome {
        let timeline = Timeline(
            inventories.enumerated().map { place, inventory in
                Timeline.Point(
                    id: Int64(place + 1), name: "S\(inventory.takenAt)",
                    takenAt: Timestamp(milliseconds: inventory.takenAt * 1000))
            })
        func runs(_ isIn: (ExampleInventory) -> Bool) -> [RankInterval] {
            var runs: [RankInterval] = []
            for (place, inventory) in inventories.enumerated() where isIn(inventory) {
                let rank = Timeline.Rank(place)
                let next = place == inventories.count - 1 ? Timeline.Rank.max : rank + 1
                if let last = runs.last, last.to == rank {
                    runs[runs.count - 1].to = next
                } else {
                    runs.append(RankInterval(rank, next))
                }
            }
            return runs
        }
        let evidence = rows.map { row in
            VersionEvidence(
                identity: VersionIdentity(
                    versionId: Array((row.id ?? row.name).utf8), lastModified: Timestamp(milliseconds: row.at * 1000),
                    etag: row.isMarker ? nil : ETag(Array(row.name.utf8)), size: row.isMarker ? 0 : 1),
                listed: runs { $0.listed.contains(row.name) }, latest: runs { $0.latest == row.name })
        }
        let succession = Succession(of: evidence, timeline: timeline)
        var current: [String: [[Int64]]] = [:]
        for (place, intervals) in succession.valid.enumerated() where !intervals.isEmpty {
            current[rows[place].name] = intervals.map { interval -> [Int64] in
                [interval.from / 1000, interval.to == .max ? -1 : interval.to / 1000]
            }
        }
        return ExampleOutcome(order: succession.order.map { rows[$0].name }, current: current)
    }

    @Test func oneInventoryOpensThePast() {
        let outcome = Self.outcome(
            [Row(name: "v1", at: 5), Row(name: "m2", at: 10, isMarker: true), Row(name: "v3", at: 15)],
            [ExampleInventory(takenAt: 20, latest: "v3", others: ["m2", "v1"])])
        #expect(
            outcome
                == ExampleOutcome(
                    order: ["v1", "m2", "v3"], current: ["v1": [[5, 10]], "m2": [[10, 15]], "v3": [[15, -1]]]))
    }

    @Test func theLatestIsDeletedForGood() {
        let outcome = Self.outcome(
            [Row(name: "v1", at: 5), Row(name: "v2", at: 15)],
            [
                ExampleInventory(takenAt: 10, latest: "v1"),
                ExampleInventory(takenAt: 20, latest: "v2", others: ["v1"]),
                ExampleInventory(takenAt: 30, latest: "v1"),
            ])
        #expect(
            outcome == ExampleOutcome(order: ["v1", "v2"], current: ["v1": [[5, 15], [30, -1]], "v2": [[15, 30]]]))
    }

    @Test func anOldVersionExpires() {
        let outcome = Self.outcome(
            [Row(name: "v1", at: 5), Row(name: "v2", at: 15)],
            [ExampleInventory(takenAt: 20, latest: "v2", others: ["v1"]), ExampleInventory(takenAt: 30, latest: "v2")])
        #expect(outcome == ExampleOutcome(order: ["v1", "v2"], current: ["v1": [[5, 15]], "v2": [[15, -1]]]))
    }

    @Test func aNullVersionIsOverwritten() {
        let outcome = Self.outcome(
            [Row(name: "a", at: 5, id: "null"), Row(name: "b", at: 12, id: "null")],
            [ExampleInventory(takenAt: 10, latest: "a"), ExampleInventory(takenAt: 20, latest: "b")])
        #expect(outcome == ExampleOutcome(order: ["a", "b"], current: ["a": [[5, 12]], "b": [[12, -1]]]))
    }

    @Test func aRowIsNewerThanItsInventory() {
        let outcome = Self.outcome(
            [Row(name: "a", at: 5, id: "null"), Row(name: "b", at: 25, id: "null")],
            [ExampleInventory(takenAt: 10, latest: "a"), ExampleInventory(takenAt: 20, latest: "b")])
        #expect(outcome == ExampleOutcome(order: ["a", "b"], current: ["a": [[5, 25]], "b": [[25, -1]]]))
    }

    @Test func twoInOneSecond() {
        let rows = [Row(name: "v1", at: 5), Row(name: "m2", at: 5, isMarker: true)]
        let object = Self.outcome(rows, [ExampleInventory(takenAt: 10, latest: "v1", others: ["m2"])])
        #expect(object == ExampleOutcome(order: ["m2", "v1"], current: ["v1": [[5, -1]]]))
        let marker = Self.outcome(rows, [ExampleInventory(takenAt: 10, latest: "m2", others: ["v1"])])
        #expect(marker == ExampleOutcome(order: ["v1", "m2"], current: ["m2": [[5, -1]]]))
        let nothing = Self.outcome(rows, [ExampleInventory(takenAt: 10, latest: nil, others: ["v1", "m2"])])
        #expect(nothing == ExampleOutcome(order: ["v1", "m2"], current: ["m2": [[5, -1]]]))
    }

    @Test func aLongUpload() {
        let rows = [Row(name: "v", at: 7), Row(name: "w", at: 3)]
        let seen = Self.outcome(
            rows,
            [ExampleInventory(takenAt: 8, latest: "v"), ExampleInventory(takenAt: 10, latest: "w", others: ["v"])])
        #expect(seen == ExampleOutcome(order: ["v", "w"], current: ["v": [[7, 8]], "w": [[8, -1]]]))
        let unseen = Self.outcome(rows, [ExampleInventory(takenAt: 10, latest: "w", others: ["v"])])
        #expect(unseen == ExampleOutcome(order: ["v", "w"], current: ["w": [[7, -1]]]))
    }

    @Test func reportsOfTheCurrentOnly() {
        let outcome = Self.outcome(
            [Row(name: "a", at: 5)],
            [
                ExampleInventory(takenAt: 10, latest: "a"), ExampleInventory(takenAt: 20),
                ExampleInventory(takenAt: 30, latest: "a"),
            ])
        #expect(outcome == ExampleOutcome(order: ["a"], current: ["a": [[5, 20], [30, -1]]]))
    }

    @Test func inventoriesThatDisagree() {
        // The newest decides: first the later one is latest, then, without a new version, the earlier one.
        let outcome = Self.outcome(
            [Row(name: "v1", at: 5), Row(name: "v2", at: 6)],
            [
                ExampleInventory(takenAt: 10, latest: "v2", others: ["v1"]),
                ExampleInventory(takenAt: 20, latest: "v1", others: ["v2"]),
            ])
        #expect(outcome == ExampleOutcome(order: ["v2", "v1"], current: ["v1": [[6, -1]]]))
    }

    /// What this thread has computed: on a busy machine, a clock on the wall says little.
    private static func threadSeconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec
    }

    /// Whoever writes one key very often makes no sync take a time that grows with the square.
    @Test func veryManyInOneSecond() {
        let count = 100_000
        let timeline = Timeline([Timeline.Point(id: 1, name: "S", takenAt: Timestamp(milliseconds: 9000))])
        let evidence = (0..<count).map { number in
            VersionEvidence(
                identity: VersionIdentity(
                    // In the middle, so that as many stand before the latest as after it.
                    versionId: Array("\(1_000_000 + number)".utf8), lastModified: Timestamp(milliseconds: 5000),
                    etag: ETag(Array("etag".utf8)), size: 1),
                listed: [RankInterval(0, .max)], latest: number == count / 2 ? [RankInterval(0, .max)] : [])
        }
        let start = Self.threadSeconds()
        let succession = Succession(of: evidence, timeline: timeline)
        #expect(Self.threadSeconds() - start < 30)
        #expect(succession.order == Array(0..<count / 2) + Array(count / 2 + 1..<count) + [count / 2])
        #expect(succession.valid[count / 2] == [TimeSpan(5000, .max)])
    }
}
