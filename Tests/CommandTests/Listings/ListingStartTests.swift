import Basics
import Foundation
import Testbed
import Testing

/// Which inventory a store takes, or that it lists the bucket; listings that are only tried out; buckets by other names.
@Suite struct ListingStartTests {
    private static func report(_ id: String, isEnabled: Bool = true, prefix: String = "reports") -> String {
        """
        <InventoryConfiguration><Id>\(id)</Id><IsEnabled>\(isEnabled)</IsEnabled><Destination><S3BucketDestination>
        <Format>CSV</Format><Bucket>arn:aws:s3:::inventories</Bucket><Prefix>\(prefix)</Prefix>
        </S3BucketDestination></Destination><IncludedObjectVersions>All</IncludedObjectVersions><OptionalFields>
        <Field>Size</Field><Field>LastModifiedDate</Field><Field>ETag</Field></OptionalFields></InventoryConfiguration>
        """
    }

    private static func reports(_ reports: String...) -> [String: Any] {
        let name = "ListInventoryConfigurationsResult"
        return ["reports": "<\(name)>\(reports.joined())<IsTruncated>false</IsTruncated></\(name)>"]
    }

    private static func use(_ body: (Scenario, ListingServer) throws -> Void) throws {
        let server = try ListingServer()
        try Scenario.use(server) { scenario in try body(scenario, server) }
    }

    @Test func severalReportsAreNamedUntilOneIsChosen() throws {
        try Self.use { scenario, server in
            let off = Self.report("off", isEnabled: false)
            try server.set(Self.reports(Self.report("all"), Self.report("other", prefix: ""), off))
            let words = ["init", scenario.store, "--bucket", "s3://bucket"]
            let run = try scenario.run(words)
            #expect(run.status == 64 && !Files.exists(scenario.store), "\(run)")
            for text in [
                "--inventory s3://inventories/reports/bucket/all/", "--inventory s3://inventories/bucket/other/",
                "--list", "the inventory off cannot be used: it is disabled",
            ] {
                #expect(run.stderr.contains(text), "\(text): \(run)")
            }
            let chosen = try scenario.run(words + ["--inventory", "s3://inventories/bucket/other/"])
            #expect(chosen.status == 0, "\(chosen)")
            try Files.removeAll(scenario.store)
            let listing = try scenario.run(words + ["--list"])
            #expect(listing.status == 0 && listing.stderr.contains("each sync lists the bucket"), "\(listing)")
        }
    }

    @Test func theOnlyReportThatCanBeUsedIsTaken() throws {
        try Self.use { scenario, server in
            let off = Self.report("off", isEnabled: false)
            try server.set(Self.reports(off, Self.report("all")))
            let run = try scenario.run(["init", scenario.store, "--bucket", "s3://bucket"])
            let url = "s3://inventories/reports/bucket/all/"
            #expect(run.status == 0 && run.stderr.contains("the bucket has the inventory \(url)"), "\(run)")
            #expect(run.stderr.contains("the inventory off cannot be used: it is disabled"), "\(run)")
            #expect(!run.stderr.contains("each sync lists the bucket"), "\(run)")
            let text = try Files.read("\(scenario.store)/icecore.json", limit: 1 << 20)
            let configuration = try #require(JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
            #expect(configuration["inventory"] as? String == url && configuration["lists"] == nil, "\(configuration)")
        }
    }

    @Test(arguments: [false, true])
    func withoutAReportTheBucketIsListed(isAsked: Bool) throws {
        try Self.use { scenario, server in
            try server.generate(20, shape: "hex")
            try server.set(isAsked ? Self.reports(Self.report("off", isEnabled: false)) : [:])
            let run = try scenario.run(["init", scenario.store, "--bucket", "s3://bucket"])
            #expect(run.status == 0 && run.stderr.contains("each sync lists the bucket"), "\(run)")
            let says = isAsked ? "the inventory off cannot be used" : "whether inventories are configured is not known"
            #expect(run.stderr.contains(says), "\(run)")
            #expect(try scenario.succeed("sync", "--metadata-only").text.contains("listed 20 versions in "))
        }
    }

    @Test func aListingThatIsTriedOutChangesNothingAndIsNotMadeTwice() throws {
        try Self.use { scenario, server in
            try server.generate(2500, shape: "deep")
            try #require(scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--list"]).status == 0)
            try server.set([:])
            let run = try scenario.succeed("sync", "--list", "--dry-run")
            let pages = try server.statistics().pages
            #expect(run.text.contains("listed 2500 versions in ") && run.text.contains("KiB"), "\(run)")
            #expect(run.text.contains("'icecore sync --list' goes on with that within a day"), "\(run)")
            #expect(try scenario.succeed("snapshots", "--json").records.isEmpty)
            #expect(try Files.names(in: "\(scenario.store)/inventories").isEmpty)
            let sync = try scenario.succeed("sync", "--list", "--metadata-only")
            #expect(sync.stderr.contains("is complete already"), "\(sync)")
            #expect(try server.statistics().pages == pages && pages > 2)
            #expect(try scenario.succeed("snapshots", "--json").record["keys"] as? Int == 2500)
        }
    }

    // MARK: - Other names

    private static let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point"

    @Test(arguments: ["s3://alias", point])
    func aBucketIsListedByAnotherNameThanItsOwn(reached: String) throws {
        try Self.use { scenario, server in
            try server.generate(50, shape: "hex")
            scenario.environment["AWS_ENDPOINT_URL"] = nil
            let words = [
                "init", scenario.store, "--bucket", reached, "--list", "--endpoint-url",
                "http://localhost:\(server.port)",
            ]
            if reached == Self.point {
                let run = try scenario.run(words)
                #expect(run.status == 64 && run.stderr.contains("--source-bucket"), "\(run)")
                #expect(!Files.exists(scenario.store))
            }
            try #require(try scenario.run(words + ["--source-bucket", "bucket"]).status == 0)
            try scenario.succeed("sync", "--metadata-only")
            let name = try #require(try scenario.succeed("snapshots", "--json").record["name"] as? String)
            let manifest = try Files.read("\(scenario.store)/inventories/\(name)/manifest.json", limit: 1 << 20)
            #expect(String(decoding: manifest, as: UTF8.self).contains("\"sourceBucket\" : \"bucket\""))
            try scenario.succeed("reindex")
            #expect(try scenario.succeed("ls", "-R").text.split(separator: "\n").count == 50)
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }
}
