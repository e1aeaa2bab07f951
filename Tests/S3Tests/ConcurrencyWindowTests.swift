import Testing

@testable import S3

/// How many requests the window allows, with answers that need no server.
@Suite struct ConcurrencyWindowTests {
    /// Feeds the window with answers that each take 50 ms, after a time in which the server refused everything.
    ///
    /// - Returns: how wide it is on average in the end.
    private func width(refusing share: Double) -> Double {
        var window = ConcurrencyWindow(ceiling: 64)
        var random: UInt64 = 1
        var now = 1000.0
        var sum = 0
        for number in 0..<20_000 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let isRefused = number < 500 || Double(random >> 11) / Double(1 << 53) < share
            window.noteFull()
            now += 50 / Double(window.size)
            window.ended(bytes: 4096, overloaded: isRefused, now: UInt64(now))
            if number >= 10_000 { sum += window.size }
        }
        return Double(sum) / 10_000
    }

    @Test(arguments: [0, 0.005, 0.02])
    func aFewRefusalsDoNotKeepItNarrow(share: Double) {
        #expect(width(refusing: share) >= 24)
    }

    @Test func manyRefusalsDo() {
        #expect(width(refusing: 0.5) <= 8)
        #expect(width(refusing: 0.2) <= 16)
    }
}
