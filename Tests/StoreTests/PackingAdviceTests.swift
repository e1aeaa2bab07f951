import Basics
import Store
import Testing

/// When packs are worth a line, and what it says that they save.
@Suite struct PackingAdviceTests {
    @Test func manySmallFilesWasteWhatTheirBlocksHaveLeft() throws {
        let advice = try #require(PackingAdvice(files: 3_000_000, bytes: 3_000_000 * 1280, block: 4096))
        #expect(advice.meanSize == 1280)
        // Measured: 12 GiB instead of 3.6.
        #expect(advice.bytes == 3_000_000 * (4096 - 1280 + 256 - 33))
        let larger = try #require(PackingAdvice(files: 1_000_000, bytes: 1_000_000 * 10_000, block: 4096))
        #expect(larger.bytes == 1_000_000 * (2048 + 256 - 33))
    }

    @Test func fewFilesAndLargeOnesAreLeftAlone() {
        #expect(PackingAdvice(files: 999_999, bytes: 999_999, block: 4096) == nil)
        #expect(PackingAdvice(files: 2_000_000, bytes: 2_000_000 * (64 << 10), block: 4096) == nil)
        #expect(PackingAdvice(files: -5, bytes: -5, block: 4096) == nil)
    }
}
