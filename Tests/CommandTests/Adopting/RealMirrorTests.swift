import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Mirrors that real tools have made of a real server's bucket.
@Suite struct RealMirrorTests {
    /// Keys that can be files beside each other, in the way that other tools name files.
    private static let keys = OddKeys.odd.filter { key in
        key.count < 200 && key.components.allSatisfy { !["", ".", ".."].contains($0) && $0.count < 200 }
            && !key.bytes.contains(0) && !OddKeys.odd.contains { $0.hasPrefix(key + "/") }
    }

    private static let usual = RealBucket.content(seed: 31, count: 9 << 20)
    private static let odd = RealBucket.content(seed: 32, count: 6_000_001)

    private func run(_ scenario: Scenario, _ server: RGWServer, _ program: String, _ words: [String]) throws -> Run {
        let run = try RunningProgram(
            program, words.map { Array($0.utf8) },
            environment: [
                "HOME": scenario.directory, "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": server.accessKey,
                "AWS_SECRET_ACCESS_KEY": server.secretKey, "AWS_REGION": "us-east-1", "LC_ALL": "C.UTF-8",
            ],
            currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs"
        ).wait(seconds: 120)
        try #require(run.status == 0, "\(run)")
        return run
    }

    private func mirror(_ tool: String, _ bucket: String, _ tree: String, _ scenario: Scenario, _ server: RGWServer)
        throws
    {
        switch tool {
        case "aws":
            let programs =
                "/" + URL(filePath: #filePath).pathComponents.dropFirst().dropLast(4).joined(separator: "/")
                + "/.build/testbed-venv/bin"
            _ = try run(
                scenario, server, "\(programs)/aws",
                ["--endpoint-url", server.endpoint, "s3", "sync", "--no-progress", "s3://\(bucket)", tree])
        default:
            _ = try run(
                scenario, server, "/usr/bin/rclone",
                [
                    "sync", "--s3-provider", "Ceph", "--s3-endpoint", server.endpoint, "--s3-access-key-id",
                    server.accessKey, "--s3-secret-access-key", server.secretKey, "--s3-encoding", "None",
                    "--local-encoding", "None", ":s3:\(bucket)", tree,
                ])
        }
    }

    @Test(arguments: ["aws", "rclone"])
    func whatAToolHasMirroredIsNotFetchedAgain(tool: String) throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "adopt-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        // Of two names that are the same when they are normalized, rclone takes one.
        let keys = Self.keys.filter { key in
            tool == "aws" || key != "cafe\u{301}" && !key.bytes.contains { $0 < 32 || $0 == 127 }
        }
        try admin.put(bucket, keys.map { .init(key: $0.string, content: bytes("content of ") + $0.bytes) })
        try admin.put(bucket, [.init(key: "plain/old", content: bytes("the old version"))])
        try admin.put(
            bucket,
            [
                .init(key: "plain/old", content: bytes("the new version")), .init(key: "marker/", content: []),
                .init(key: "marker/file", content: bytes("below a marker")), .init(key: "plain/empty", content: []),
                .init(key: "plain/changed", content: bytes("what the bucket has")),
                .init(key: "plain/cut", content: bytes("all of it")),
                .init(key: "plain/gone", content: bytes("deleted from the mirror")),
                .init(key: "parts/usual", content: Self.usual, partSize: 8 << 20),
                .init(key: "parts/odd", content: Self.odd, partSize: 5_555_557),
            ])
        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync", "--metadata-only")
            let tree = try MirrorTree("\(scenario.directory)/mirror")
            try mirror(tool, bucket, tree.path, scenario, server)
            try tree.write("plain/changed", bytes("what the BUCKET has"))
            try tree.write("plain/cut", bytes("all of"))
            try tree.write("plain/foreign", bytes("never in the bucket"))
            try Files.remove("\(tree.path)/plain/gone")
            let before = try tree.digest()

            let (counts, run) = try scenario.adopt(tree.path)
            #expect(counts["wrong"] == 3 && counts["foreign"] == 1 && counts["unreadable"] == 0, "\(run)")
            // The old version, what was changed, cut and deleted, and the parts that nobody can guess.
            #expect(counts["stillWanted"] == 5, "\(run)")
            for key in ["plain/changed", "plain/cut", "parts/odd"] {
                #expect(run.stderr.contains("'\(key)'"), "\(run)")
            }
            #expect(try tree.digest() == before)
            try scenario.expectSound()

            server.mark("\(bucket)-before", admin)
            let synced = try scenario.succeed("sync", "--json")
            #expect(try synced.record["fetched"] as? Int == 5, "\(synced)")
            server.mark("\(bucket)-after", admin)
            let log = try server.requests(upTo: "\(bucket)-after")
            let start = try #require(log.firstIndex { $0.contains("\(bucket)-before") })
            let gets = log[start...].filter { $0.hasPrefix("GET /\(bucket)/") && !$0.contains("tagging") }
            let fetched = Set(gets.map { String($0.dropFirst("GET /\(bucket)/".count).prefix { $0 != "?" }) })
            #expect(fetched == ["plain/old", "plain/changed", "plain/cut", "plain/gone", "parts/odd"], "\(gets)")
            try scenario.expectSound()
        }
    }

    @Test func whatAnotherStoreKnowsOfPartsIsTried() throws {
        let server = try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = "adopt-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        var uneven = S3Admin.NewObject(key: "parts/uneven", content: RealBucket.content(seed: 33, count: 12_000_000))
        uneven.partSizes = [5_300_000, 5_400_000, 1_300_000]
        try admin.put(bucket, [uneven, .init(key: "parts/odd", content: Self.odd, partSize: 5_555_557)])
        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync")
            #expect(try Files.read("\(scenario.store)/blobs.facts", limit: 4096).split(separator: 10).count == 3)
            let other = "\(scenario.directory)/other"
            func adopt(_ tree: String) throws -> Run {
                if Files.exists(other) { try Files.removeAll(other) }
                let made = try scenario.run([
                    "init", other, "--bucket", "s3://\(bucket)", "--inventory",
                    "file://\(scenario.directory)/inventories",
                ])
                try #require(made.status == 0, "\(made)")
                try #require(try scenario.run(["sync", "--store", other, "--metadata-only"]).status == 0)
                return try scenario.run(["adopt", tree, "--store", other, "--json"])
            }
            for tree in [scenario.store, "\(scenario.store)/blobs/"] {
                let taken = try adopt(tree)
                #expect(try taken.record["stillWanted"] as? Int == 0 && taken.status == 0, "\(taken)")
                let verified = try scenario.run(["verify", "--store", other])
                #expect(verified.status == 0 && verified.stdout.isEmpty, "\(verified)")
                // It outlives the index.
                try Files.remove("\(other)/index.sqlite")
                try #require(try scenario.run(["reindex", "--store", other]).status == 0)
                #expect(try scenario.run(["verify", "--store", other]).stdout.isEmpty)
            }
            // Without that, nobody can guess the parts.
            try Files.remove("\(scenario.store)/blobs.facts")
            let taken = try adopt(scenario.store)
            #expect(try taken.record["stillWanted"] as? Int == 2 && taken.status == 0, "\(taken)")
        }
    }

    @Test func aTreeOfManyFilesTakesNoMoreMemoryThanASmallOne() throws {
        try Scenario.withBucket { scenario in
            var peaks: [Int] = []
            for count in [200, 8_000] {
                let name = "2024-03-0\(peaks.count + 2)T01-00Z"
                let tree = try MirrorTree("\(scenario.directory)/tree-\(count)")
                var rows: [InventoryFolder.Row] = []
                for number in 0..<count {
                    let content = bytes("\(count): content \(number)")
                    rows.append(InventoryFolder.Row("d\(number / 500)/\(number)", content))
                    if number % 500 == 0 { try Files.createDirectories("\(tree.path)/d\(number / 500)") }
                    let file = try File("\(tree.path)/d\(number / 500)/\(number)", O_WRONLY | O_CREAT, mode: 0o644)
                    try content.withUnsafeBytes { try file.write($0) }
                }
                try scenario.folder.write(name, rows)
                try scenario.succeed("sync", "--metadata-only")
                let (run, peak) = try scenario.measured(
                    ["adopt", tree.path, "--store", scenario.store, "--json"], seconds: 120)
                #expect(run.status == 0, "\(run)")
                #expect(try run.record["adopted"] as? Int == count, "\(run)")
                peaks.append(peak)
            }
            #expect(peaks[1] < peaks[0] + 48 * 1024, "\(peaks) KiB")
            try scenario.expectSound()
        }
    }
}
