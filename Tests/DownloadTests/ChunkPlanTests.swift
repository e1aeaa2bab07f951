import Testing

@testable import Download

@Suite struct ChunkPlanTests {
    private static let mebibyte: Int64 = 1 << 20

    private func chunks(_ plan: ChunkPlan) -> [Range<Int64>] {
        var chunks: [Range<Int64>] = []
        var offset: Int64 = 0
        while offset < plan.size {
            let chunk = plan.chunk(of: offset)
            #expect(chunk.lowerBound == offset, "chunks follow each other")
            #expect(!chunk.isEmpty)
            if chunk.isEmpty { return chunks }
            chunks.append(chunk)
            offset = chunk.upperBound
        }
        #expect(offset == plan.size)
        return chunks
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64]) func chunksCoverEveryContentOnceAlongItsParts(seed: UInt64) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let size = Int64.random(in: 1...(1 << (10 + 4 * Int64(seed))), using: &random)
            let part = Int64.random(in: 1...max(1, size), using: &random)
            let plan = ChunkPlan(
                size: size, chunkSize: Int64.random(in: 1...(64 * Self.mebibyte), using: &random),
                partSize: Bool.random() ? nil : part)
            // Only a few of them, where there are many.
            var offset: Int64 = 0
            for _ in 0..<2000 where offset < size {
                let chunk = plan.chunk(of: offset)
                #expect(chunk.lowerBound == offset && !chunk.isEmpty && chunk.upperBound <= size)
                let within = Int64.random(in: chunk, using: &random)
                #expect(plan.chunk(of: within) == chunk, "each byte belongs to one chunk")
                offset = chunk.upperBound
            }
        }
    }

    @Test func smallPartsAreFetchedTogether() {
        let plan = ChunkPlan(size: 100 * Self.mebibyte, chunkSize: 16 * Self.mebibyte, partSize: 5 * Self.mebibyte)
        let chunks = chunks(plan)
        #expect(chunks.first == 0..<(15 * Self.mebibyte))
        #expect(chunks.allSatisfy { $0.lowerBound % (5 * Self.mebibyte) == 0 })
    }

    @Test func largePartsAreDividedIntoEqualShares() {
        let part = 100 * Self.mebibyte + 7
        let chunks = chunks(ChunkPlan(size: 3 * part + 5, chunkSize: 16 * Self.mebibyte, partSize: part))
        for number in 0...3 { #expect(chunks.contains { $0.lowerBound == Int64(number) * part }) }
        #expect(chunks.filter { $0.upperBound <= part }.allSatisfy { $0.count > 14 * Self.mebibyte })
    }

    @Test func tooManyChunksMakeLargerOnes() {
        let size: Int64 = 5 << 40
        #expect(chunks(ChunkPlan(size: size, chunkSize: Self.mebibyte, partSize: nil)).count <= 10_000)
        #expect(chunks(ChunkPlan(size: size, chunkSize: Self.mebibyte, partSize: 512 * Self.mebibyte)).count <= 21_000)
    }

    @Test func theLargestSizesDoNotTrap() {
        for part in [nil, 1, Int64.max / 2, .max - 1, .max] as [Int64?] {
            let plan = ChunkPlan(size: .max, chunkSize: 16 * Self.mebibyte, partSize: part)
            let last = plan.chunk(of: .max - 1)
            #expect(last.upperBound == .max)
        }
    }
}
