import Basics
import Testing
@testable import Download
@testable import Model

/// How a content was divided: what is believed of it, and how it is written down.
@Suite struct PartLayoutTests {
    @Test func onlyThePartsOfTheContentAreBelieved() {
        func layout(_ sizes: [Int64], _ size: Int64, _ count: UInt32) -> PartLayout? {
            PartLayout(sizes: sizes, size: size, count: count)
        }
        #expect(layout([6, 5, 6], 17, 3) == .uneven([6, 5, 6]))
        #expect(layout([5, 6], 11, 2) == .uneven([5, 6]), "a last part that is larger")
        #expect(layout([6, 6, 5], 17, 3) == .even(6))
        #expect(layout([17], 17, 1) == .even(17))
        #expect(layout([6, 5, 6], 17, 4) == nil)
        #expect(layout([6, 5, 6], 18, 3) == nil)
        #expect(layout([6, 5, 6], 16, 3) == nil)
        #expect(layout([6, 0, 11], 17, 3) == nil)
        #expect(layout([18, -1], 17, 2) == nil)
        #expect(layout([.max, .max, 3], 1, 3) == nil)
        #expect(layout([], 0, 0) == nil)
        #expect(layout([Int64](repeating: 1, count: 10_001), 10_001, 10_001) == nil)
    }

    @Test func whatIsWrittenDownIsReadBack() throws {
        #expect(PartLayout.even(5).recorded == nil, "the part size is enough")
        for _ in 0..<200 {
            let sizes = (0..<Int.random(in: 2...300)).map { _ in Int64.random(in: 1...3) << Int64.random(in: 0...40) }
            let (size, count) = (sizes.reduce(0, +), UInt32(sizes.count))
            guard let layout = PartLayout(sizes: sizes, size: size, count: count), let recorded = layout.recorded
            else { continue }
            #expect(PartLayout(recorded: recorded, size: size, count: count) == layout)
            #expect(PartLayout(recorded: recorded, size: size + 1, count: count) == nil)
            #expect(PartLayout(recorded: recorded, size: size, count: count + 1) == nil)
        }
        // As docs/FORMAT.md says: runs of parts of one size.
        let layout = try #require(PartLayout(sizes: [6, 6, 5, 6], size: 23, count: 4))
        #expect(
            Hex.encode(layout.recorded ?? [])
                == "000000020000000000000006" + "000000010000000000000005" + "000000010000000000000006")
    }

    @Test func anythingMayStandInADamagedIndex() {
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...48)).map { _ in UInt8.random(in: 0...255) }
            #expect(PartLayout(recorded: bytes, size: .random(in: 0 ... .max), count: .random(in: 0 ... .max)) == nil)
        }
        let all = [UInt8](repeating: 0xff, count: 24)
        #expect(PartLayout(recorded: all, size: .max, count: .max) == nil)
    }

    @Test func partsLieOneAfterTheOther() {
        let uneven = PartRanges(.uneven([6, 5, 6]), of: 17)
        #expect(uneven.count == 3 && [uneven[0], uneven[1], uneven[2]] == [0..<6, 6..<11, 11..<17])
        let even = PartRanges(.even(6), of: 17)
        #expect(even.count == 3 && [even[0], even[1], even[2]] == [0..<6, 6..<12, 12..<17])
        #expect(PartRanges(.even(.max), of: 17)[0] == 0..<17)
    }
}
