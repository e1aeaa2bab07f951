import Basics
import Foundation
import Testbed
import Testing

/// Command lines that cannot work: one clear sentence, the right exit status, and nothing changed.
@Suite struct BadCommandTests {
    /// A command line, `STORE` standing for the store and `DIR` for the test's directory.
    struct Case: CustomTestStringConvertible, Sendable {
        var line: String
        var status: Int32
        var says: [String]

        init(_ line: String, _ status: Int32, _ says: String...) {
            self.line = line
            self.status = status
            self.says = says
        }

        var testDescription: String { line }
    }

    static let cases: [Case] = [
        // WHEN
        Case("ls --store STORE --at 2999-01-01", 1, "2999-01-01", "2024-03-02T01-00Z"),
        Case("ls --store STORE --at 2999-01-01T00:00:00Z", 1, "2024-03-02T01-00Z"),
        Case("cat a --store STORE --at 0h", 1, "2024-03-02T01-00Z"),
        Case("ls --store STORE --at 1999-01-01", 1, "1999-01-01", "before"),
        Case("cat a --store STORE --at 99y", 1, "before"),
        Case("ls --store STORE --at 2024-03-01T01-00Z", 1, "2024-03-01T01-00Z", "snapshots"),
        Case("ls --store STORE --at yesterday", 64, "yesterday"),
        Case("ls --store STORE --at 2024-02-30", 64, "2024-02-30"),
        Case("cat a --store STORE --at 2024-03-02T25:00:00Z", 64, "2024-03-02T25:00:00Z"),
        Case("ls --store STORE --at 99999999999999999999d", 64, "99999999999999999999d"),
        Case("mount DIR/mnt --store STORE --at yesterday", 64, "yesterday"),
        Case("mount DIR/mnt --store STORE --at 2999-01-01", 1, "2024-03-02T01-00Z"),
        Case("mount DIR/mnt --store STORE --at 1999-01-01", 1, "before"),
        Case("mount DIR/mnt --store STORE --at 2024-03-02 --history", 64, "--history"),
        // Keys
        Case("versions never --store STORE", 1, "never"),
        Case("cat never --store STORE", 1, "never"),
        Case("cat a --version-id none --store STORE", 1, "none", "versions"),
        Case("cat a --version-id v --at latest --store STORE", 64, "--version-id"),
        Case("cat --store STORE", 64, "key"),
        // Stores
        Case("ls --store DIR/mnt", 1, "DIR/mnt", "icecore init"),
        Case("ls --store DIR/none", 1, "DIR/none", "does not exist"),
        Case("ls --store DIR/file", 1, "DIR/file"),
        Case("sync --store DIR/mnt", 1, "icecore init"),
        Case("mount DIR/mnt --store DIR/none", 1, "does not exist"),
        Case("ls", 1, "--store"),
        Case("init STORE --bucket s3://bucket", 1, "already"),
        Case("init DIR/full --bucket s3://bucket", 1, "not empty", "something"),
        Case("init DIR/file --bucket s3://bucket", 1, "DIR/file"),
        Case("init DIR/new --bucket bucket", 64, "s3://NAME"),
        Case("init DIR/new --bucket s3://bucket/prefix", 64, "s3://bucket/prefix"),
        Case("init DIR/new --bucket s3://", 64, "s3://"),
        Case("init DIR/new --bucket s3://b", 64, "s3://b"),
        Case("init DIR/new --bucket s3://bucket --inventory http://x/", 64, "http://x/"),
        Case("init DIR/new --bucket s3://bucket --inventory file:///dir --endpoint-url ftp://x", 64, "endpoint URL"),
        // What may hold a password is not repeated, and not stored.
        Case(
            "init DIR/new --bucket s3://bucket --inventory file:///dir --endpoint-url http://me:secret@x", 64,
            "endpoint URL"),
        Case("init DIR/new --bucket s3://bucket --filter (", 64, "("),
        Case("init DIR/new", 64, "--bucket"),
        // Mount points
        Case("mount DIR/none --store STORE", 1, "DIR/none", "does not exist"),
        Case("mount DIR/file --store STORE", 1, "DIR/file", "not a directory"),
        Case("mount STORE --store STORE", 64, "STORE"),
        Case("mount DIR --store STORE", 64, "STORE"),
        Case("mount DIR/busy --store STORE", 1, "DIR/busy", "busy"),
        // Everything else
        Case("frobnicate", 64, "frobnicate"),
        Case("ls --frob --store STORE", 64, "--frob"),
        Case("sync --store STORE --date", 64, "--date"),
    ]

    @Test func eachGivesOneSentenceAndTheRightStatus() throws {
        try Scenario.use { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket")
            try folder.write("2024-03-02T01-00Z", [InventoryFolder.Row("a", [], versionId: "v")])
            try scenario.initialize("bucket", inventory: folder.url)
            try scenario.succeed("sync")
            for name in ["mnt", "full"] { try Files.createDirectory("\(scenario.directory)/\(name)") }
            for name in ["file", "full/something"] { try Files.replace("\(scenario.directory)/\(name)", with: [1]) }
            _ = try scenario.mount(name: "busy")
            let before = try StoreDigest.of(scenario.store)
            for bad in Self.cases {
                let fill = { (text: String) in
                    text.replacing("STORE", with: scenario.store).replacing("DIR", with: scenario.directory)
                }
                let run = try scenario.run(fill(bad.line).split(separator: " ").map(String.init))
                #expect(run.status == bad.status, "\(run)")
                #expect(run.stdout.isEmpty && !run.stderr.isEmpty, "\(run)")
                if bad.status == 1 { #expect(run.complaints.count == 1 && run.stderr.hasPrefix("icecore: "), "\(run)") }
                for word in bad.says { #expect(run.stderr.contains(fill(word)), "should say '\(word)': \(run)") }
                #expect(!Scenario.isMounted("\(scenario.directory)/mnt"), "\(run)")
                #expect(!Files.exists("\(scenario.directory)/new"), "\(run)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func aStoreOfANewerFormatIsRefused() throws {
        try Scenario.use { scenario in
            try scenario.initialize("bucket", inventory: "file://\(scenario.directory)/none")
            let path = "\(scenario.store)/icecore.json"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("\"format\" : 3"))
            try Files.replace(path, with: Array(text.replacing("\"format\" : 3", with: "\"format\" : 6").utf8))
            let before = try StoreDigest.of(scenario.store)
            try Files.createDirectory("\(scenario.directory)/mnt")
            for words in [
                ["ls"], ["sync"], ["status"], ["snapshots"], ["cat", "a"], ["mount", "\(scenario.directory)/mnt"],
            ] {
                let run = try scenario.run(words + ["--store", scenario.store])
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("format 6") && run.stderr.contains("newer icecore"), "\(run)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            // And what is no configuration at all.
            for text in ["", "{", "[]", "{\"format\": 1}", "\0"] {
                try Files.replace(path, with: Array(text.utf8))
                let run = try scenario.run("ls")
                #expect(run.status == 1 && run.complaints.count == 1 && run.stderr.contains("icecore.json"), "\(run)")
            }
        }
    }

    @Test func anIndexThatIsNoneIsSaidToBeDamaged() throws {
        try Scenario.use { scenario in
            try scenario.initialize("bucket", inventory: "file://\(scenario.directory)/none")
            try Files.replace("\(scenario.store)/index.sqlite", with: Array(repeating: 65, count: 10_000))
            for command in ["ls", "status", "snapshots", "sync"] {
                let run = try scenario.run(command)
                #expect(run.status == 1 && run.complaints.count == 1 && run.stderr.contains("index.sqlite"), "\(run)")
            }
        }
    }

    // MARK: - Servers

    /// A bucket of Ceph's gateway with an inventory in a bucket.
    private func withRealBucket(_ body: (Scenario, RealBucket) throws -> Void) throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in try body(scenario, bucket) }
    }

    /// Expects a sync to fail in one sentence, and to leave nothing that can be seen.
    private func expectFailure(
        _ scenario: Scenario, _ environment: [String: String], status: Int32 = 1, says: String...
    )
        throws
    {
        let run = try scenario.run("sync", environment: environment)
        #expect(run.status == status && run.stdout.isEmpty, "\(run)")
        // That an inventory is sorted first is no complaint.
        #expect(run.complaints.filter { !$0.hasSuffix("sorting first") }.count == 1, "\(run)")
        for word in says { #expect(run.stderr.contains(word), "should say '\(word)': \(run)") }
        #expect(try scenario.succeed("snapshots").text.isEmpty)
        // What is empty needs no server.
        #expect(try StoreDigest.blobs(scenario.store).keys.allSatisfy { $0.hasSuffix("-0") })
    }

    @Test func wrongCredentialsAreSaidToBeWrong() throws {
        try withRealBucket { scenario, bucket in
            scenario.hide("not-the-secret/at+all")
            for inventory in [bucket.inventoryURL, "file://\(bucket.directory)"] {
                try? FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(bucket.name, inventory: inventory)
                try expectFailure(
                    scenario, ["AWS_SECRET_ACCESS_KEY": "not-the-secret/at+all"], says: "SignatureDoesNotMatch")
                try expectFailure(scenario, ["AWS_ACCESS_KEY_ID": "nobody"], says: "InvalidAccessKeyId")
            }
            // Half of what is needed.
            try expectFailure(scenario, ["AWS_SECRET_ACCESS_KEY": ""], says: "AWS_SECRET_ACCESS_KEY")
            try expectFailure(
                scenario, ["AWS_PROFILE": "none", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""], says: "none")
        }
    }

    @Test func aWrongBucketIsSaidToBeMissing() throws {
        try withRealBucket { scenario, bucket in
            try scenario.initialize(bucket.name, inventory: "s3://no-such-bucket/prefix/")
            try expectFailure(scenario, [:], says: "no-such-bucket")
            try FileManager.default.removeItem(atPath: scenario.store)
            try scenario.initialize(bucket.name, inventory: "s3://\(bucket.name)-inventories/elsewhere/")
            try expectFailure(scenario, [:], says: "elsewhere", "no inventory")
            try FileManager.default.removeItem(atPath: scenario.store)
            let run = try scenario.run(
                ["init", scenario.store, "--bucket", "s3://no-such-bucket", "--inventory", bucket.inventoryURL])
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("no-such-bucket") && run.stderr.contains(bucket.name), "\(run)")
            #expect(!Files.exists(scenario.store))
        }
    }

    @Test func anEndpointThatNobodyListensOnIsSaidToBeUnreachable() throws {
        try withRealBucket { scenario, bucket in
            try scenario.initialize(bucket.name, inventory: bucket.inventoryURL)
            // The port of a server that has ended.
            let port = try FaultServer().port
            let start = Timestamp.now()
            try expectFailure(scenario, ["AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)"], says: "127.0.0.1:\(port)")
            try expectFailure(
                scenario, ["AWS_ENDPOINT_URL": "http://no-such-host.invalid"], says: "no-such-host.invalid")
            try expectFailure(scenario, ["AWS_ENDPOINT_URL": "no address"], status: 64, says: "endpoint")
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(60_000))
        }
    }
}
