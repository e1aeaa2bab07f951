import Foundation
import Testbed
import Testing

/// A key that has very many versions.
///
/// `ICECORE_SOAK=1` lists a million.
@Suite struct ManyVersionsTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    @Test func eachVersionOfAKeyIsListedOnceInLittleMemory() throws {
        let count = Self.isSoak ? 1_000_000 : 30_000
        // In KiB. A listing holds some thousands of versions; the merge holds those of one key until it has them all.
        let most = (96 << 10) + count
        let server = try ListingServer()
        try server.generate(count, shape: "one")
        try Scenario.use(server) { scenario in
            try #require(scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--list"]).status == 0)
            for new in [count, 0] {
                try server.set([:])
                let (run, peak) = try scenario.measured(
                    ["sync", "--store", scenario.store, "--metadata-only"], seconds: Self.isSoak ? 3600 : 120)
                #expect(run.status == 0 && run.text.contains("listed \(count) versions in "), "\(run)")
                #expect(run.text.contains("\(new) versions are new, 0 are gone"), "\(run)")
                #expect(peak < most, "\(peak) KiB: \(run)")
                #expect(try server.statistics().pages <= count * 13 / 10_000 + 200)
                if Self.isSoak { print("\(count) versions of one key, \(new) of them new: \(peak) KiB") }
            }
            guard !Self.isSoak else { return }
            let records = try scenario.succeed("versions", "--json", "written/all the time").records
            #expect(Set(records.compactMap { $0["versionId"] as? String }).count == count && records.count == count)
            #expect(records.first?["isLatest"] as? Bool == true)
        }
    }
}
