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

    /// An older report's file, say, or one that the copy left unfinished.
    @Test(arguments: [false, true])
    func ofSeveralListFilesTheOneThatFitsIsRead(hasSameSize: Bool) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.row])
            let root = scenario.folder.path
            let list = try Files.read("\(root)/data/\(Self.file)", limit: 1 << 20)
            try Files.createDirectory("\(root)/\(Self.name)/data")
            try Files.replace("\(root)/\(Self.name)/data/\(Self.file)", with: list)
            try Files.replace("\(root)/data/\(Self.file)", with: hasSameSize ? list.reversed() : [1, 2, 3])
            let run = try scenario.succeed("sync")
            #expect(run.stderr.isEmpty, "\(run)")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }

    @Test(arguments: ["data/\(file)", "\(name)/manifest.json", "\(name)/manifest.checksum"], ["FIFO", "directory"])
    func whatIsNoFileIsRefusedByName(path: String, kind: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.row])
            let place = "\(scenario.folder.path)/\(path)"
            try Files.remove(place)
            if kind == "FIFO" { mkfifo(place, 0o644) } else { try Files.createDirectory(place) }
            for words in [["sync"], ["sync", "--dry-run"]] {
                let run = try scenario.run(words + ["--store", scenario.store], seconds: 20)
                #expect(run.status == 1 && run.complaints.count == 1 && run.stderr.contains(place), "\(run)")
            }
            let look = try scenario.run(
                ["init", "\(scenario.directory)/other", "--bucket", "s3://bucket", "--inventory", scenario.folder.url],
                seconds: 20)
            #expect(look.status == 0 && look.stderr.contains(place), "\(look)")
        }
    }

    /// A server that has the inventory in one bucket, and what its manifest calls its destination in another.
    private func withInventoryBucket(
        rows: [Row] = [row], files: Int = 1, spoilManifest: (inout String) -> Void = { _ in }, at place: String,
        _ body: (Scenario, _ url: String) throws -> Void
    ) throws {
        try Scenario.withBucket { scenario in
            let folder = scenario.folder
            try folder.write(Self.name, rows, files: files, spoilManifest: spoilManifest)
            try scenario.server.add(Scenario.bucket, rows)
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

    @Test func aBucketMayHaveAnotherFileOfThatName() throws {
        try withInventoryBucket(at: "copied/inv/data/") { scenario, _ in
            for (place, content) in [("bucket-inventories", "too short"), ("copied", "another one")] {
                try scenario.server.add(
                    bucket: place, key: "all/bucket/data/\(Self.file)", content: bytes(content))
            }
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }

    @Test func aListFileThatIsWrongEverywhereIsCalledWrong() throws {
        try withInventoryBucket(at: "copied/elsewhere/") { scenario, _ in
            try scenario.server.add(
                bucket: "bucket-inventories", key: "all/bucket/data/\(Self.file)", content: bytes("too short"))
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.stderr.contains("expected"), "\(run)")
            #expect(run.stderr.contains("s3://bucket-inventories/all/bucket/data/\(Self.file)"), "\(run)")
        }
    }

    /// The first ones were copied elsewhere, the others were not.
    @Test func listFilesMayBeInDifferentPlaces() throws {
        try withInventoryBucket(rows: (0..<24).map { Row("key/\($0)", bytes("\($0)")) }, files: 24, at: "copied/") {
            scenario, _ in
            for number in 0..<24 {
                let file = "\(Self.name)-\(number).csv.gz"
                try scenario.server.add(
                    bucket: number < 16 ? "copied" : "bucket-inventories",
                    key: number < 16 ? "inv/data/\(file)" : "all/bucket/data/\(file)",
                    content: try Files.read("\(scenario.folder.path)/data/\(file)", limit: 1 << 20))
            }
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key/23").text == "23")
        }
    }

    @Test func aDestinationThatIsNoBucketOfS3IsLeftAside() throws {
        let spoil = { (manifest: inout String) in
            manifest = manifest.replacing("arn:aws:s3:::bucket-inventories", with: "b")
        }
        try withInventoryBucket(spoilManifest: spoil, at: "copied/all/bucket/data/") { scenario, _ in
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
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
