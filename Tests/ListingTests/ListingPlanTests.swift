import Basics
import Testing

@testable import Listing

/// Listings of made-up buckets in which every answer takes one step: how many requests they make, and how long they take.
@Suite struct ListingPlanTests {
    /// A bucket whose keys have one version each.
    struct KeyList {
        let keys: [[UInt8]]

        init(_ keys: [String]) {
            self.keys = Set(keys).map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        }

        /// The place of the first key after another one.
        func place(after key: [UInt8]) -> Int {
            var (low, high) = (0, keys.count)
            while low < high {
                let middle = (low + high) / 2
                if key.lexicographicallyPrecedes(keys[middle]) { high = middle } else { low = middle + 1 }
            }
            return low
        }
    }

    struct Course {
        var requests = 0
        var steps = 0
        var rows = 0
        var lost = 0
        var repeated = 0
    }

    /// Lists a bucket.
    static func list(_ bucket: KeyList, jobs: Int, pageSize: Int = 1000, keys: [[UInt8]] = []) -> Course {
        let plan = ListingPlan(
            [.everything], keys: keys, expected: keys.isEmpty ? nil : bucket.keys.count / (keys.count + 1))
        var course = Course()
        var isSeen = [Bool](repeating: false, count: bucket.keys.count)
        while !plan.isFinished, course.steps < 1_000_000 {
            var asked: [ListedRange] = []
            while asked.count < jobs, course.steps > 0 || asked.isEmpty || !keys.isEmpty, let range = plan.next() {
                asked.append(range)
            }
            course.requests += asked.count
            course.steps += 1
            for range in asked {
                let start = bucket.place(after: range.marker.key)
                let end = min(bucket.keys.count, start + pageSize)
                let page = bucket.keys[start..<end]
                plan.extend(range, to: page.last, isLast: end == bucket.keys.count)
                let inside = page.prefix { key in range.upper.map { !$0.lexicographicallyPrecedes(key) } ?? true }
                for place in inside.indices {
                    if isSeen[place] { course.repeated += 1 }
                    isSeen[place] = true
                }
                for key in inside.prefix(16) { key.withUnsafeBytes { plan.note(key: $0) } }
                course.rows += inside.count
                if let last = page.last { range.marker.key = last }
                plan.received(
                    range, rows: inside.count, first: inside.first, last: page.last, pageRows: page.count,
                    isLast: end == bucket.keys.count || inside.count < page.count)
            }
        }
        course.lost = isSeen.lazy.filter { !$0 }.count
        return course
    }

    private static func hex(_ number: Int, _ digits: Int) -> String {
        var state = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
        state ^= state >> 29
        state &*= 0xBF58_476D_1CE4_E5B9
        state ^= state >> 32
        let text = String(state, radix: 16)
        return String((String(repeating: "0", count: 16) + text).suffix(digits))
    }

    static let shapes: [String: @Sendable (Int) -> String] = [
        "digests": { hex($0, 16) },
        "digests below a prefix": { "projects/alpha/blobs/\(hex($0, 2))/\(hex($0, 16))" },
        "counted": { "part-\(String($0 + 10_000_000).dropFirst())" },
        "counted without zeros": { "data/run/\($0)" },
        "days": { "logs/2024/\(10 + $0 % 3)/\(10 + $0 % 17)/events-\(hex($0, 8)).json" },
        "one large folder of many": { $0 % 50 == 0 ? "folder-\(hex($0, 4))/a" : "main/objects/chunk.\($0)" },
        "zarr": { "zarr/\(hex($0 / 3000, 8))/0/\($0 % 3000 / 50)/\($0 % 50)" },
        "Japanese": { number in
            let syllables = Array("かきくさたなはまやらわ山川田中本")
            let name = String(hex(number, 6).compactMap(\.hexDigitValue).map { syllables[$0] })
            return "写真/\(name)\(number % 97).jpg"
        },
        "Russian": { number in
            let letters = Array("абвгдежзийклмнор")
            return "Документы/" + String(hex(number, 7).compactMap(\.hexDigitValue).map { letters[$0] })
        },
        "names": { "photos/\(["Żółw", "Ångström", "北京", "Ελλάδα", "plain"][$0 % 5])/\(hex($0, 6)).jpg" },
    ]

    @Test(arguments: shapes.keys.sorted(), [1, 4, 8, 64])
    func eachKeyIsListedOnceInFewRequests(shape: String, jobs: Int) throws {
        let make = try #require(Self.shapes[shape])
        for count in [0, 1, 50, 120, 5_000] {
            let bucket = KeyList((0..<count).map(make))
            let course = Self.list(bucket, jobs: jobs, pageSize: 50)
            #expect(course.lost == 0 && course.repeated == 0 && course.rows == bucket.keys.count)
            #expect(Double(course.requests) <= 1.3 * Double(count) / 50 + 200, "\(course)")
        }
    }

    @Test(arguments: shapes.keys.sorted())
    func aFirstListingIsSoonParallel(shape: String) throws {
        let make = try #require(Self.shapes[shape])
        let bucket = KeyList((0..<15_000).map(make))
        let course = Self.list(bucket, jobs: 4, pageSize: 50)
        let best = Double(bucket.keys.count) / 50 / 4
        #expect(best / Double(course.steps) >= 0.75, "\(course)")
    }

    @Test(arguments: shapes.keys.sorted(), [4, 16])
    func knownKeysMakeItParallelAtOnce(shape: String, jobs: Int) throws {
        let make = try #require(Self.shapes[shape])
        let bucket = KeyList((0..<15_000).map(make))
        let keys = (1...300).map { bucket.keys[$0 * bucket.keys.count / 301] }
        let course = Self.list(bucket, jobs: jobs, pageSize: 50, keys: keys)
        let best = Double(bucket.keys.count) / 50 / Double(jobs)
        #expect(best / Double(course.steps) >= 0.9, "\(course)")
    }

    @Test func smallPagesAreSplitToo() throws {
        let bucket = KeyList((0..<20_000).map { Self.hex($0, 16) })
        let course = Self.list(bucket, jobs: 8, pageSize: 100)
        #expect(course.lost == 0)
        #expect(Double(course.requests) <= 1.3 * 200 + 200 && course.steps < 100, "\(course)")
    }

    @Test func gapsAreWhatIsNotComplete() {
        func range(_ lower: String, _ upper: String?) -> KeyRange {
            KeyRange(lower: Array(lower.utf8), upper: upper.map { Array($0.utf8) })
        }
        #expect(KeyRange.gaps(between: []) == [.everything])
        #expect(KeyRange.gaps(between: [.everything]) == [])
        #expect(
            KeyRange.gaps(between: [range("m", "p"), range("", "c"), range("c", "e")]) == [
                range("e", "m"), range("p", nil),
            ])
        #expect(KeyRange.gaps(between: [range("c", nil)]) == [range("", "c")])
        let keys = ["a", "c", "f", "x"].map { Array($0.utf8) }
        #expect(range("b", "x").cut(after: keys) == [range("b", "c"), range("c", "f"), range("f", "x")])
    }
}
