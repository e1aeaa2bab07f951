import Basics
import Foundation
import Testbed
import Testing

/// What the options of `sync` do.
@Suite struct SyncOptionTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-01T01-00Z", "2024-03-02T01-00Z", "2024-03-02T13-00Z", "2024-03-04T01-00Z"]

    /// Four inventories, each with one key more.
    private func addAll(_ scenario: Scenario) throws {
        for (number, name) in Self.names.enumerated() {
            try scenario.add(name, (0...number).map { Row("dir/key \($0)", bytes("content \($0)")) })
        }
    }

    private func snapshots(_ scenario: Scenario) throws -> [String] {
        try scenario.succeed("snapshots", "--json").records.compactMap { $0["name"] as? String }
    }

    @Test func datesCanBeListedWithoutASync() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            #expect(try scenario.succeed("sync", "--list-dates").text == Self.names.map { $0 + "\n" }.joined())
            let records = try scenario.succeed("sync", "--list-dates", "--json").records
            #expect(records.compactMap { $0["name"] as? String } == Self.names)
            #expect(try snapshots(scenario).isEmpty)
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func theNewestInventoryIsTakenUnlessADateOrANameIsGiven() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            #expect(
                try scenario.succeed("sync", "--json", "--date", Self.names[0]).record["name"] as? String
                    == Self.names[0])
            // Of two on one day, the last.
            #expect(
                try scenario.succeed("sync", "--json", "--date", "2024-03-02").record["name"] as? String
                    == Self.names[2])
            #expect(try scenario.succeed("sync", "--json").record["name"] as? String == Self.names[3])
            #expect(try snapshots(scenario) == [Self.names[0], Self.names[2], Self.names[3]])
        }
    }

    @Test func aRangeTakesAllOfItsInventories() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            let run = try scenario.succeed("sync", "--json", "--from", "2024-03-02", "--to", "2024-03-03")
            #expect(try run.records.compactMap { $0["name"] as? String } == Array(Self.names[1...2]))
            #expect(try snapshots(scenario) == Array(Self.names[1...2]))
            try scenario.succeed("sync", "--from", Self.names[0], "--to", Self.names[3])
            #expect(try snapshots(scenario) == Self.names)
        }
    }

    private static let absent = [
        "--date 2020-01-01", "--date 2024-03-03", "--date 2024-03-03T01-00Z", "--from 2020-01-01 --to 2020-02-01",
        "--from 2024-03-04 --to 2024-03-01",
    ]
    private static let malformed = [
        "--date soon", "--date 2024-02-30", "--from 2024-03-01", "--from 2024-03-01 --to x", "--jobs 0", "--jobs many",
        "--date 2024-03-01 --from 2024-03-01 --to 2024-03-02", "--filter (",
    ]

    @Test(arguments: absent + malformed)
    func whatCannotBeSyncedChangesNothing(line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        let status: Int32 = Self.absent.contains(line) ? 1 : 64
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            try scenario.succeed("sync", "--date", Self.names[0])
            let before = try StoreDigest.of(scenario.store)
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == status, "\(run)")
            #expect(run.stdout.isEmpty && !run.stderr.isEmpty, "\(run)")
            if status == 1 { #expect(run.complaints.count == 1, "\(run)") }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func aDryRunSaysWhatWouldHappenAndDoesNothing() throws {
        try Scenario.withBucket { scenario in
            let (old, new) = (Row("a", bytes("old one")), Row("a", bytes("new"), at: "2024-03-02T12:00:00.000Z"))
            try scenario.add(Self.names[0], [old, Row("b", bytes("b")), Row("gone", bytes("gone"))])
            try scenario.add(
                Self.names[3], [old.with { $0.isLatest = false }, new, Row("b", bytes("b")), Row("c", bytes("new"))])
            try scenario.succeed("sync", "--date", Self.names[0])
            let before = try StoreDigest.of(scenario.store)
            try scenario.server.reset()
            let record = try scenario.succeed("sync", "--dry-run", "--json").record
            #expect(record["dryRun"] as? Bool == true)
            #expect(record["newVersions"] as? Int == 2)
            #expect(record["goneVersions"] as? Int == 1)
            // One content under two keys is fetched once.
            #expect(record["wantedBytes"] as? Int == 3)
            #expect(record["fetched"] as? Int == 0)
            let text = try scenario.succeed("sync", "--dry-run").text
            #expect(text.contains("2 versions are new") && text.contains("1 is gone") && text.contains("3 bytes"))
            #expect(try scenario.requests().isEmpty)
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            try scenario.succeed("sync")
            #expect(try scenario.succeed("sync", "--dry-run", "--json").record["wanted"] as? Int == 0)
        }
    }

    @Test func aFilterLimitsWhatIsDownloadedAndNotWhatIsListed() throws {
        try Scenario.withBucket { scenario in
            let rows = ["data/one.nwb", "data/two.txt", "other/three.nwb"].map { Row($0, bytes("content of \($0)")) }
            try scenario.add(Self.names[0], rows)
            let record = try scenario.succeed("sync", "--json", "--filter", "^data/.*\\.nwb$").record
            #expect(record["fetched"] as? Int == 1)
            #expect(record["keys"] as? Int == 3)
            #expect(try scenario.succeed("ls", "-R").text.split(separator: "\n").count == 3)
            // Nothing is missing that was asked for.
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
            #expect(try scenario.run("cat", "data/two.txt").status == 1)
            // Without the filter, the rest.
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 2)
            for row in rows { #expect(try scenario.succeed("cat", row.key).stdout == row.content) }
        }
    }

    @Test func aPermanentFilterLimitsEverySync() throws {
        try Scenario.withBucket(permanentFilter: "\\.nwb$") { scenario in
            try scenario.add(Self.names[0], ["one.nwb", "two.nwb", "three.txt"].map { Row($0, bytes($0)) })
            #expect(try scenario.succeed("sync", "--json", "--filter", "^one").record["fetched"] as? Int == 1)
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 1)
            #expect(try scenario.blobs.count == 2)
            #expect(try scenario.run("cat", "three.txt").status == 1)
        }
    }

    @Test func metadataAloneThenEverything() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            try scenario.succeed("sync", "--metadata-only")
            #expect(try scenario.requests().isEmpty)
            #expect(try scenario.blobs.isEmpty)
            let listing = try scenario.succeed("ls", "-R", "--json").text
            #expect(listing.split(separator: "\n").count == 4)
            let mount = try scenario.mount("--offline")
            #expect((try? Files.read("\(mount)/dir/key 1", limit: 100)) == nil)
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 4)
            #expect(try scenario.succeed("ls", "-R", "--json").text == listing)
            for number in 0..<4 {
                #expect(try scenario.succeed("cat", "dir/key \(number)").text == "content \(number)")
            }
            #expect(
                Clock.wait(seconds: 60) { (try? Files.read("\(mount)/dir/key 1", limit: 100)) == bytes("content 1") })
            #expect(try scenario.succeed("sync", "--json").record["wanted"] as? Int == 0)
        }
    }

    @Test func interruptedSyncsEndAndResumeWhereTheyStopped() throws {
        try Scenario.withBucket { scenario in
            let quick = (0..<30).map { Row("a quick/\($0)", bytes("quick \($0)"), at: "2024-02-01T00:00:00.000Z") }
            let slow = (0..<8).map { Row("slow/\($0)", RealBucket.content(seed: UInt64($0), count: 400_000)) }
            try scenario.add(Self.names[0], quick + slow)
            var faults = FaultServer.Faults()
            faults.rate = 20_000
            try scenario.server.set(faults)
            let program = try scenario.start(["sync", "--store", scenario.store, "--jobs", "8"])
            #expect(
                try Clock.wait(seconds: 60) {
                    try scenario.requests().keys.filter { $0.contains("/slow/") }.count == 8
                }, "the large objects are on their way")
            let start = Timestamp.now()
            program.kill(SIGINT)
            let run = try program.wait()
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(2000))
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("run the same command again"), "\(run)")
            let kept = try scenario.blobs.count
            #expect(kept == quick.count, "what was finished is kept")
            #expect(try snapshots(scenario).isEmpty)

            try scenario.server.reset()
            try scenario.succeed("sync")
            let requests = try scenario.requests()
            #expect(requests.keys.allSatisfy { $0.contains("/slow/") }, "nothing finished is fetched again")
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            #expect(try scenario.blobs.count == quick.count + slow.count)
        }
    }

    @Test func aSecondSyncIsRefusedWhileOneRunsAndReadersAreNot() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], [Row("a", bytes("a"))])
            try scenario.succeed("sync")
            try scenario.add(
                Self.names[1], [Row("a", bytes("a")), Row("slow", RealBucket.content(seed: 1, count: 400_000))])
            var faults = FaultServer.Faults()
            faults.rate = 1000
            try scenario.server.set(faults)
            let program = try scenario.start(["sync", "--store", scenario.store])
            #expect(try Clock.wait(seconds: 60) { try scenario.requests().keys.contains { $0.contains("slow") } })
            let start = Timestamp.now()
            let second = try scenario.run("sync")
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(2000))
            #expect(second.status == 1 && second.complaints.count == 1, "\(second)")
            #expect(second.stderr.contains("icecore sync") && second.stderr.contains("\(program.process)"), "\(second)")
            // Readers never wait, and see what was committed.
            #expect(try scenario.succeed("ls", "-R").text == "a\n")
            #expect(try scenario.succeed("cat", "a").text == "a")
            let mount = try scenario.mount()
            #expect(try Files.read("\(mount)/a", limit: 10) == bytes("a"))
            program.kill(SIGTERM)
            #expect(try program.wait().status == 1)
        }
    }

    @Test func aMountedLatestFollowsASync() throws {
        try Scenario.withBucket { scenario in
            let (old, new) = (
                Row("changed", bytes("old")), Row("changed", bytes("newer"), at: "2024-03-02T12:00:00.000Z")
            )
            try scenario.add(Self.names[0], [old, Row("deleted/x", bytes("x")), Row("same", bytes("same"))])
            try scenario.succeed("sync")
            let mount = try scenario.mount()
            #expect(try SeenTree(mount).files.keys.sorted() == ["changed", "deleted/x", "same"])
            let open = try File("\(mount)/changed", O_RDONLY)
            let marker = Row("deleted/x", [], versionId: "m", at: "2024-03-02T12:00:00.000Z").with {
                $0.isMarker = true
            }
            try scenario.add(
                Self.names[3],
                [
                    old.with { $0.isLatest = false }, new, Row("same", bytes("same")), marker,
                    Row("deleted/x", bytes("x")).with { $0.isLatest = false }, Row("fresh/y", bytes("y")),
                ])
            try scenario.succeed("sync")
            let isNew = Clock.wait(seconds: Patience.seconds(2)) {
                // What goes away between being listed and being opened is no failure.
                (try? SeenTree(mount))?.files.mapValues(\.text) == ["changed": "newer", "fresh/y": "y", "same": "same"]
            }
            let seen = try SeenTree(mount).files.mapValues(\.text)
            #expect(isNew, "\(seen)")
            #expect(!Files.exists("\(mount)/deleted"))
            var content = [UInt8](repeating: 0, count: 10)
            let count = try content.withUnsafeMutableBytes { try open.read(into: $0) }
            #expect(content.prefix(count) == bytes("old")[...], "what was open keeps its content")
        }
    }

    @Test func listFilesOfAnyNamesAreKeptApart() throws {
        let server = try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = "names-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try admin.createBucket("\(bucket)-inventories")
        try Scenario.use(server) { scenario in
            let name = "2024-03-02T01-00Z"
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: bucket)
            let names = ["a", "a.part", "a.part.part", "list-0"]
            // Of unequal sizes, so that they do not come in their order.
            let rows = (0..<4000).map { Row("\(Hex.encode(SHA256.digest(bytes("\($0)"))))", []) }
            try folder.write(
                name, rows, files: names.count,
                spoilManifest: { manifest in
                    for (number, file) in names.enumerated() {
                        manifest = manifest.replacingOccurrences(
                            of: "data/\(name)-\(number).csv.gz", with: "data/\(file)")
                    }
                })
            let base = "all/\(bucket)"
            for (number, file) in names.enumerated() {
                let content = try Files.read("\(folder.path)/data/\(name)-\(number).csv.gz", limit: 1 << 24)
                try admin.put("\(bucket)-inventories", "\(base)/data/\(file)", content)
            }
            for file in ["manifest.json", "manifest.checksum"] {
                let content = try Files.read("\(folder.path)/\(name)/\(file)", limit: 1 << 24)
                try admin.put("\(bucket)-inventories", "\(base)/\(name)/\(file)", content)
            }
            try scenario.initialize(bucket, inventory: "s3://\(bucket)-inventories/\(base)/")
            let record = try scenario.succeed("sync", "--metadata-only", "--json").record
            #expect(record["keys"] as? Int == rows.count)
            #expect(try Files.names(in: "\(scenario.store)/inventories/\(name)/data") == names)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
        }
    }
}
