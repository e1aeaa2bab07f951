import Testing

@testable import Download

@Suite struct PartSizeTests {
    @Test func sizesNearTheLimitsDoNotTrap() {
        for size in [0, 1, 5, Int64.max - 1, .max] {
            for count in [0, 1, 2, 10_000, Int64(UInt32.max)] {
                for part in PartSizes.candidates(size: size, count: count) { #expect(part > 0) }
            }
        }
    }
}
