import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The worked examples of docs/SEMANTICS.md, synced by the program.
@Suite struct ExampleSyncTests {
    @Test func theProgramShowsWhatEveryExampleSays() throws {
        let document = "\(Testbed.root)/docs/SEMANTICS.md"
        let examples = try WorkedExample.all(in: String(contentsOfFile: document, encoding: .utf8))
        #expect(examples.count >= 9)
        for example in examples {
            try Scenario.use { scenario in
                let origin = try #require(Timestamp(rfc3339: "2024-03-01T00:00:00Z"))
                func etag(_ name: String) -> ByteString { ByteString(Hex.encode(MD5.digest(bytes(name)))) }
                let reports = example.reports(origin: origin, etag: etag)
                let folder = "\(scenario.directory)/inventories"
                for report in reports { try report.write(to: folder, bucket: "bucket") }
                try scenario.initialize("bucket", inventory: "file://\(folder)")
                for report in reports { try scenario.succeed("sync", "--metadata-only", "--date", report.name) }
                let last = try #require(example.inventories.last).takenAt
                for time in example.interestingTimes where time <= last {
                    guard case .some(let claimed) = example.claimed(at: time) else { continue }
                    let instant = WorkedExample.instant(time, origin)
                    let shown = try scenario.succeed("ls", "-R", "--json", "--at", instant.rfc3339).records
                    let expected = claimed.map { [etag($0).string] } ?? []
                    #expect(shown.compactMap { $0["etag"] as? String } == expected, "\(example) at \(time)")
                }
            }
        }
    }
}
