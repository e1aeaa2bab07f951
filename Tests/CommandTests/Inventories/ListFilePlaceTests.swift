import Basics
import Foundation
import Testbed
import Testing

/// List files that are not where AWS puts them.
@Suite struct ListFilePlaceTests {
    typealias Row = InventoryFolder.Row
    private static let name = "2024-03-01T01-00Z"
    private static let file = "\(name)-0.csv.gz"
    private static let row = Row("key", bytes("content"))

    @Test(arguments: ["\(name)/files", "\(name)/data", "\(name)", "\(name)/all/bucket/data", "all/bucket/data"])
    func aMirrorMayHaveThemBelowTheManifestsFolder(folder: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.row])
            let root = scenario.folder.path
            try Files.createDirectories("\(root)/\(folder)")
            try Files.rename("\(root)/data/\(Self.file)", "\(root)/\(folder)/\(Self.file)")
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }

    @Test func theSentenceSaysWhereAListFileWasLookedFor() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.row])
            let root = scenario.folder.path
            try Files.remove("\(root)/data/\(Self.file)")
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            for place in [
                "'\(root)/data/\(Self.file)'", "'\(root)/all/bucket/data/\(Self.file)'",
                "'\(root)/\(Self.name)/data/\(Self.file)'", "'\(root)/\(Self.name)/\(Self.file)'",
                "folder of '\(root)/\(Self.name)'",
            ] { #expect(run.stderr.contains(place), "\(place): \(run)") }
        }
    }

    /// A server that has the inventory in one bucket, and what its manifest calls its destination in another.
    private func withInventoryBucket(
        rows: [Row] = [row], at place: String, _ body: (Scenario, _ url: String) throws -> Void
    ) throws {
        try Scenario.withBucket { scenario in
            let folder = scenario.folder
            try scenario.add(Self.name, rows)
            for file in ["manifest.json", "manifest.checksum"] {
                try scenario.server.add(
                    bucket: "copied", key: "inv/\(Self.name)/\(file)",
                    content: try Files.read("\(folder.path)/\(Self.name)/\(file)", limit: 1 << 20))
            }
            let (bucket, key) = (place.prefix { $0 != "/" }, place.drop { $0 != "/" }.dropFirst())
            try scenario.server.add(
                bucket: String(bucket), key: "\(key)\(Self.file)",
                content: try Files.read("\(folder.path)/data/\(Self.file)", limit: 1 << 20))
            let listing = """
                <ListBucketResult><IsTruncated>false</IsTruncated>\
                <CommonPrefixes><Prefix>inv/\(Self.name)/</Prefix></CommonPrefixes></ListBucketResult>
                """
            try scenario.server.can(
                "/copied/?delimiter=%2F&encoding-type=url&list-type=2&prefix=inv%2F", .init(body: listing))
            try FileManager.default.removeItem(atPath: scenario.store)
            try scenario.initialize(Scenario.bucket, inventory: "s3://copied/inv/")
            try body(scenario, "s3://copied/inv/")
        }
    }

    @Test(arguments: [
        "bucket-inventories/all/bucket/data/", "copied/all/bucket/data/", "copied/inv/data/",
        "copied/inv/\(name)/data/", "copied/inv/\(name)/files/", "copied/inv/\(name)/",
    ])
    func aBucketMayHaveThemElsewhereThanTheManifestSays(place: String) throws {
        try withInventoryBucket(at: place) { scenario, _ in
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
            try scenario.succeed("reindex")
        }
    }

    @Test(arguments: [403, 404])
    func aDestinationThatMayNotBeReadIsReplacedByTheInventorysOwnBucket(status: Int) throws {
        try withInventoryBucket(at: "copied/all/bucket/data/") { scenario, _ in
            let body = "<Error><Code>\(status == 403 ? "AccessDenied" : "NoSuchBucket")</Code></Error>"
            try scenario.server.can(
                "/bucket-inventories/all/bucket/data/\(Self.file)", .init(status: status, body: body))
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }

    @Test func aListFileThatIsNowhereInTheBucketsIsNamedWithAllPlaces() throws {
        try withInventoryBucket(at: "copied/elsewhere/") { scenario, url in
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            for place in [
                "s3://bucket-inventories/all/bucket/data/", "s3://copied/all/bucket/data/", "\(url)data/",
                "\(url)\(Self.name)/data/", "\(url)\(Self.name)/files/", "\(url)\(Self.name)/",
            ] { #expect(run.stderr.contains("'\(place)\(Self.file)'"), "\(place): \(run)") }
            // A refusal says more than an absence.
            try scenario.server.can(
                "/bucket-inventories/all/bucket/data/\(Self.file)",
                .init(status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"))
            let refused = try scenario.run("sync")
            #expect(refused.status == 1 && refused.stderr.contains("AccessDenied"), "\(refused)")
            #expect(refused.stderr.contains("s3://bucket-inventories/all/bucket/data/"), "\(refused)")
        }
    }
}
