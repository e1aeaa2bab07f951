import Testing

@testable import Download

/// Which part sizes are thought of. Sizes and counts come from inventories, so that any number may stand there.
@Suite struct PartSizeTests {
    private static let uploads: [(size: Int64, count: Int64, partSize: Int64)] = [
        (1 << 30, 128, 8 << 20), (1 << 30, 16, 64 << 20), (5_000_001, 2, 5_000_000), (1, 1, 8 << 20),
    ]

    @Test(arguments: uploads)
    func theOneThatWasUsedIsAmongThem(size: Int64, count: Int64, partSize: Int64) {
        #expect(PartSizes.candidates(size: size, count: count).contains(partSize))
    }

    @Test(arguments: [Int64.max, .max - 1, .max / 2 + 1, 1 << 62, 5 << 40, 1] as [Int64])
    func anySizeIsReckonedWith(size: Int64) {
        let counts: [Int64] = [1, 2, 3, 9_999, 10_000, 10_001, 1 << 31, 1 << 32, .max - 1, .max]
        for count in counts {
            for part in PartSizes.candidates(size: size, count: count) {
                #expect(part > 0)
                let (whole, rest) = size.quotientAndRemainder(dividingBy: part)
                #expect(whole + (rest > 0 ? 1 : 0) == count, "\(size) bytes in parts of \(part)")
            }
        }
        #expect(PartSizes.candidates(size: size, count: 1).contains { $0 >= size })
    }

    @Test func whatCannotBeHasNone() {
        #expect(PartSizes.candidates(size: 10, count: 11).isEmpty)
        #expect(PartSizes.candidates(size: 10, count: 0).isEmpty)
        #expect(PartSizes.candidates(size: -1, count: 5).isEmpty)
        #expect(PartSizes.candidates(size: 0, count: 1) == [1])
    }
}
