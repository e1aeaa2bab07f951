import Basics
import Foundation
import Testbed
import Testing

/// `init` looks at what the store would be synced from, says what it sees, and leaves nothing behind where it refuses.
@Suite struct InitialLookTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]
    private static let keys = ["AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hidden/secret"]

    private func use(_ body: (Scenario, InventoryFolder) throws -> Void) throws {
        try Scenario.use { scenario in
            scenario.hide("hidden/secret")
            try body(scenario, InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket"))
        }
    }

    private func initialize(
        _ scenario: Scenario, _ inventory: String, _ words: String..., environment: [String: String] = keys,
        seconds: Double = 60
    ) throws -> Run {
        try scenario.run(
            ["init", scenario.store, "--bucket", "s3://bucket", "--inventory", inventory] + words,
            environment: environment, seconds: seconds)
    }

    private func expectNothing(_ scenario: Scenario, _ run: Run, _ says: String...) {
        #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
        for text in says { #expect(run.stderr.contains(text), "\(run)") }
        #expect(!Files.exists(scenario.store), "nothing is left behind")
    }

    // MARK: - What is there

    @Test func theNewestInventoryIsDescribed() throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], [Row("a", bytes("1"))])
            let rows = (0..<5).map { Row("key \($0)", bytes("content \($0)")) }
            let marker = Row("gone", [], versionId: "m").with { $0.isMarker = true }
            try folder.write(Self.names[1], rows + [marker])
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0 && run.stdout.isEmpty, "\(run)")
            #expect(
                run.stderr.contains("the newest of 2 inventories is 2024-03-03T01-00Z: CSV, 1 list file of "), "\(run)")
            #expect(run.stderr.contains("it lists 6 versions: 45 B in 5 objects"), "\(run)")
            #expect(run.stderr.contains("signed with credentials from the environment"), "\(run)")
            #expect(run.stderr.contains("'\(scenario.store)' has ") && run.stderr.contains(" free\n"), "\(run)")
            #expect(run.complaints.last == "created a store for s3://bucket at \(scenario.store)", "\(run)")
            #expect(!run.stderr.contains("lacks"), "\(run)")
            try scenario.succeed("sync", "--metadata-only")
        }
    }

    @Test func aLargeInventoryIsEstimatedFromItsFirstRows() throws {
        try use { scenario, folder in
            let rows = (0..<30_000).map { number in
                Row("data/\(number / 100)/key-\(number)", bytes("\(number)")).with { $0.size = "4000" }
            }
            try folder.write(Self.names[0], rows, files: 2)
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0 && run.stderr.contains("2 list files of"), "\(run)")
            let words = run.stderr.split(whereSeparator: { $0 == " " || $0 == "\n" })
            let place = try #require(words.firstIndex(of: "about"), "\(run)")
            let estimate = try #require(Int(words[place + 1]), "\(run)")
            #expect((20_000..<45_000).contains(estimate), "\(run)")
            #expect(run.stderr.contains("MiB in "), "\(run)")
        }
    }

    @Test func whatTheInventoryLacksIsSaidAndWhatFollowsFromIt() throws {
        try use { scenario, folder in
            try folder.write(
                Self.names[0], [Row("a", bytes("1"))], columns: ["Bucket", "Key", "Size", "LastModifiedDate", "ETag"])
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0, "\(run)")
            #expect(run.stderr.contains("lacks VersionId, IsLatest, IsDeleteMarker: it lists current versions only"))
            #expect(run.stderr.contains("lacks StorageClass"), "\(run)")
        }
    }

    @Test func aDiskThatIsTooSmallIsNamedAndDoesNotStopInit() throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], (0..<9).map { Row("k\($0)", []).with { $0.size = "1000000" } })
            try scenario.withDisk(.tmpfs(kibibytes: 6 << 10)) { point in
                let words = ["--bucket", "s3://bucket", "--inventory", folder.url]
                let run = try scenario.run(["init", "\(point)/store"] + words)
                #expect(run.status == 0, "\(run)")
                #expect(run.stderr.contains("9000000 bytes must be fetched, but '\(point)/store' has only"), "\(run)")
                #expect(run.stderr.contains("--filter and --metadata-only"), "\(run)")
            }
            try scenario.withDisk(.tmpfs(kibibytes: 64 << 10, inodes: 285)) { point in
                let run = try scenario.run(
                    ["init", "\(point)/store", "--bucket", "s3://bucket", "--inventory", folder.url])
                // The store itself needs most of them, which is no estimate.
                #expect(run.stderr.contains("inodes free"), "\(run)")
            }
        }
    }

    // MARK: - What stops it

    @Test func anInventoryOfAnotherBucketStopsInit() throws {
        try use { scenario, folder in
            let other = try InventoryFolder(folder.path, bucket: "another-bucket")
            try other.write(Self.names[0], [Row("a", bytes("1"))])
            expectNothing(
                scenario, try initialize(scenario, folder.url), "'bucket'", "--source-bucket another-bucket")
        }
    }

    @Test func aFormatThatCannotBeReadStopsInit() throws {
        try use { scenario, folder in
            try folder.write(
                Self.names[0], [Row("a", bytes("1"))],
                spoilManifest: { manifest in
                    manifest = manifest.replacing("\"fileFormat\": \"CSV\"", with: "\"fileFormat\": \"Avro\"")
                })
            expectNothing(scenario, try initialize(scenario, folder.url), "Avro")
        }
    }

    @Test(arguments: ["parquet", "orc"])
    func aColumnarReportIsLookedAtAsAWhole(format: String) throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], (0..<300).map { Row("key \($0)", bytes("\($0)")) })
            try ColumnarReports.write(folder.path, to: folder.path, format, seed: 1)
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0 && run.stderr.contains(format == "orc" ? ": ORC, 1" : ": Parquet, 1"), "\(run)")
            #expect(run.stderr.contains("it lists 300 versions: 790 B in 300 objects"), "\(run)")
        }
    }

    @Test func aColumnWithoutWhichNothingWorksStopsInit() throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], [Row("a", bytes("1"))], columns: ["Bucket", "Key", "LastModifiedDate"])
            expectNothing(scenario, try initialize(scenario, folder.url), "lacks the column")
        }
    }

    @Test func aURLThatCanNeverWorkStopsInit() throws {
        try use { scenario, _ in
            let run = try initialize(scenario, "s3://i/all/", "--endpoint-url", "http://127.0.0.1:9")
            #expect(run.status == 64 && run.complaints.count == 1 && run.stderr.contains("s3://i/all/"), "\(run)")
            #expect(!Files.exists(scenario.store))
        }
    }

    @Test func whatWasThereBeforeARefusalIsThereAfterwards() throws {
        try use { scenario, folder in
            let other = try InventoryFolder(folder.path, bucket: "another-bucket")
            try other.write(Self.names[0], [Row("a", bytes("1"))])
            try Files.createDirectory(scenario.store)
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 1, "\(run)")
            #expect(try Files.names(in: scenario.store).isEmpty)
        }
    }

    // MARK: - What does not

    @Test(arguments: [true, false])
    func anInventoryThatIsNotThereYetDoesNotStopInit(hasFolder: Bool) throws {
        try use { scenario, folder in
            if !hasFolder { try Files.removeAll(folder.path) }
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0 && run.stderr.contains("there is no inventory at"), "\(run)")
            #expect(run.stderr.contains("within 48 hours"), "\(run)")
            #expect(Files.exists("\(scenario.store)/icecore.json"))
        }
    }

    @Test func aDamagedNewestInventoryDoesNotStopInit() throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], [Row("a", bytes("1"))])
            try folder.write(
                Self.names[1], [Row("a", bytes("2"))],
                afterwards: { _, manifest in
                    try Files.replace(manifest, with: bytes("{"))
                })
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0, "\(run)")
            #expect(run.stderr.contains("the newest inventory, \(Self.names[1]), is damaged"), "\(run)")
        }
    }

    @Test func aListFileThatCannotBeReadDoesNotStopInit() throws {
        try use { scenario, folder in
            try folder.write(Self.names[0], [Row("a", bytes("1"))], spoilFile: { $0 = bytes("not gzip at all") })
            let run = try initialize(scenario, folder.url)
            #expect(run.status == 0 && run.stderr.contains("its first list file cannot be read"), "\(run)")
            let other = "\(scenario.directory)/other"
            try folder.write(Self.names[1], [Row("a", bytes("1"))], afterwards: { list, _ in unlink(list) })
            let second = try scenario.run(["init", other, "--bucket", "s3://bucket", "--inventory", folder.url])
            #expect(second.status == 0 && second.stderr.contains("its first list file cannot be read"), "\(second)")
        }
    }

    @Test func aServerThatCannotBeReachedDoesNotStopInit() throws {
        try use { scenario, _ in
            let run = try initialize(
                scenario, "s3://bucket-inventories/all/", "--endpoint-url", "http://127.0.0.1:9", seconds: 15)
            #expect(run.status == 0 && run.stderr.contains("the inventory could not be looked at"), "\(run)")
        }
    }

    @Test func aServerThatNeverAnswersIsNotWaitedForLong() throws {
        try use { scenario, _ in
            let server = try FaultServer()
            var faults = FaultServer.Faults()
            faults.stall = 1
            try server.set(faults)
            let began = MonotonicClock.milliseconds()
            let run = try initialize(scenario, "s3://bucket-inventories/all/", "--endpoint-url", server.endpoint)
            #expect(run.status == 0 && run.stderr.contains("the inventory could not be looked at"), "\(run)")
            #expect(Int64(MonotonicClock.milliseconds() - began) < Patience.milliseconds(10_000))
            #expect(Files.exists("\(scenario.store)/icecore.json"))
        }
    }

    @Test func ctrlCLeavesNothingBehind() throws {
        try use { scenario, _ in
            let server = try FaultServer()
            var faults = FaultServer.Faults()
            faults.stall = 1
            try server.set(faults)
            let process = try scenario.start(
                [
                    "init", "\(scenario.directory)/new/store", "--bucket", "s3://bucket", "--inventory",
                    "s3://inventories/all/",
                    "--endpoint-url", server.endpoint,
                ], environment: Self.keys)
            #expect(try Clock.wait(seconds: 30) { try server.statistics().connections > 0 })
            process.kill(SIGINT)
            let run = try process.wait(seconds: 5)
            #expect(run.status == 1 && run.complaints == ["icecore: stopped. No store was created."], "\(run)")
            #expect(!Files.exists("\(scenario.directory)/new"))
        }
    }

    // MARK: - Credentials

    @Test func whereCredentialsAreFromIsSaid() throws {
        try use { scenario, folder in
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace(
                "\(scenario.directory)/.aws/config",
                with: bytes(
                    """
                    [profile reader]
                    aws_access_key_id = AKIAEXAMPLEEXAMPLE
                    aws_secret_access_key = hidden/secret
                    [profile broken]
                    credential_process = false
                    """))
            for (words, environment, says) in [
                ([], [:], "no credentials were found"), (["--no-sign-request"], Self.keys, "unsigned, as asked"),
                (["--profile", "reader"], [:], "credentials from the profile 'reader'"),
                ([], ["AWS_PROFILE": "reader"], "credentials from the profile 'reader'"),
                (["--profile", "broken"], [:], "credentials cannot be had at the moment"),
                ([], Self.keys, "credentials from the environment"),
            ] as [([String], [String: String], String)] {
                try? Files.removeAll(scenario.store)
                let run = try scenario.run(
                    ["init", scenario.store, "--bucket", "s3://bucket", "--inventory", folder.url] + words,
                    environment: environment)
                #expect(run.status == 0 && run.stderr.contains(says), "\(run)")
            }
        }
    }
}
