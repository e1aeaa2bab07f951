import Testbed
import Testing

/// How many requests a listing makes, whatever keys look like.
@Suite struct ListingBoundTests {
    private static let pageSize = 50

    private static func expectFew(_ server: ListingServer, _ count: Int, _ run: Run) throws {
        let pages = try server.statistics().pages
        #expect(Double(pages) <= 1.3 * Double(count) / Double(pageSize) + 200, "\(pages) pages: \(run)")
    }

    /// A first listing, and a second one that knows the keys of the first.
    @Test(arguments: ["hex", "deep", "flat", "accents", "versions"], [400, 9000])
    func aListingMakesFewRequests(shape: String, count: Int) throws {
        let server = try ListingServer()
        try server.generate(count, shape: shape)
        try Scenario.use(server) { scenario in
            try #require(scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--list"]).status == 0)
            for jobs in ["64", "8"] {
                try server.set(["pageSize": Self.pageSize, "latency": 0.002])
                let run = try scenario.succeed("sync", "--metadata-only", "--jobs", jobs)
                #expect(run.text.contains("listed \(count) versions in "), "\(run)")
                try Self.expectFew(server, count, run)
            }
            let keys = Set(try scenario.succeed("snapshots", "--json").records.compactMap { $0["keys"] as? Int })
            #expect(keys == [shape == "versions" ? (count + 3999) / 4000 : count])
        }
    }

    /// What was known has gone, or ten times as much has come.
    @Test(arguments: [(6000, 300), (600, 6000), (9000, 0)])
    func aBucketThatIsNoLongerWhatItWasIsListedInFewRequests(old: Int, new: Int) throws {
        let server = try ListingServer()
        try Scenario.use(server) { scenario in
            try #require(scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--list"]).status == 0)
            for (count, shape) in [(old, "deep"), (new, "hex")] {
                try server.generate(count, shape: shape)
                try server.set(["pageSize": Self.pageSize, "latency": 0.002])
                let run = try scenario.succeed("sync", "--metadata-only")
                #expect(run.text.contains("listed \(count) version"), "\(run)")
                try Self.expectFew(server, count, run)
            }
            #expect(try scenario.succeed("ls", "-R").text.split(separator: "\n").count == new)
        }
    }
}
