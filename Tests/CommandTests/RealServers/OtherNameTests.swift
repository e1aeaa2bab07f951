import Basics
import Foundation
import Testbed
import Testing

/// Buckets that are reached by another host, or by another name than their inventories have for them.
@Suite struct OtherNameTests {
    typealias Row = InventoryFolder.Row
    private static let name = "2024-03-01T01-00Z"
    private static let row = Row("key", bytes("content"))

    /// A server that knows buckets by its host names only.
    private func withVirtualServer(_ body: (Scenario, _ url: String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.row])
            let path = FaultServer.target(Scenario.bucket, Self.row)
            try scenario.server.can(path, .init(status: 404, body: "<Error><Code>NoSuchBucket</Code></Error>"))
            try scenario.server.can(String(path.dropFirst(Scenario.bucket.count + 1)), .init(body: "content"))
            scenario.environment["AWS_ENDPOINT_URL"] = nil
            try FileManager.default.removeItem(atPath: scenario.store)
            try body(scenario, "http://localhost:\(scenario.server.port)")
        }
    }

    @Test func aServerOfVirtualHostsIsReached() throws {
        try withVirtualServer { scenario, url in
            try scenario.initialize(
                Scenario.bucket, inventory: scenario.folder.url, "--endpoint-url", url, "--addressing", "virtual")
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
            #expect(try scenario.server.log().last?.header("Host") == "bucket.localhost:\(scenario.server.port)")
            #expect(
                String(decoding: try Files.read("\(scenario.store)/icecore.json", limit: 1 << 20), as: UTF8.self)
                    .contains("\"addressing\" : \"virtual\""))
        }
    }

    @Test(arguments: ["path", "virtual"])
    func aServerThatChecksSignaturesAcceptsBothKindsOfAddresses(style: String) throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "addressed-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try admin.createBucket("\(bucket)-inventories")
        try admin.put(bucket, "a key/of +many%kinds", bytes("content"))
        try Scenario.use(server) { scenario in
            var options = S3Admin.InventoryOptions()
            options.destination = "\(bucket)-inventories"
            let made = try admin.makeInventory(of: bucket, in: scenario.directory, options)
            let reached = ["--endpoint-url", "http://localhost:\(server.port)", "--addressing", style]
            try #require(
                try scenario.run(
                    [
                        "init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory",
                        "s3://\(bucket)-inventories/\(made.prefix)",
                    ] + reached
                ).status == 0)
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "a key/of +many%kinds").text == "content")
            // Replicas too.
            let replica = "s3://\(bucket)-inventories/replica"
            let push = try scenario.run(["push", replica, "--store", scenario.store, "--no-cas"] + reached)
            #expect(push.status == 0, "\(push)")
            let clone = try scenario.run(["clone", replica, "\(scenario.directory)/clone"] + reached)
            #expect(clone.status == 0, "\(clone)")
            let list = try scenario.run(["ls", "-R", "--replica", replica] + reached)
            #expect(list.status == 0 && list.text == "a key/of +many%kinds\n", "\(list)")
        }
    }

    @Test(arguments: [
        "--endpoint-url http://127.0.0.1:9 --addressing virtual", "--addressing sideways",
        "--source-bucket not/a/bucket",
    ])
    func whatCannotBeReachedSoIsRefusedByInit(line: String) throws {
        try Scenario.use { scenario in
            let words = line.split(separator: " ").map(String.init)
            let run = try scenario.run(["init", scenario.store, "--bucket", "s3://bucket"] + words)
            #expect(run.status == 64 && !Files.exists(scenario.store), "\(run)")
        }
    }

    private static let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point"

    @Test(arguments: [
        "arn:aws:s3::123456789012:accesspoint/m.mrap", "\(point)/prefix", "arn:aws:s3:eu-west-1:1:bucket/b",
        "\(point) --addressing path", "\(point) --endpoint-url http://127.0.0.1:9",
    ])
    func whatIsNoUsableAccessPointIsRefusedByInit(line: String) throws {
        try Scenario.use { scenario in
            let words = line.split(separator: " ").map(String.init)
            let run = try scenario.run(["init", scenario.store, "--bucket"] + words)
            #expect([1, 64].contains(run.status) && !Files.exists(scenario.store), "\(run)")
        }
    }

    /// The server has the objects in `copy`, and the inventories list `bucket`.
    @Test(arguments: ["copy", "s3://\(point)", point])
    func aBucketIsReadByAnotherNameThanItsInventoriesHave(reached: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.folder.write(Self.name, [Self.row])
            try FileManager.default.removeItem(atPath: scenario.store)
            let isPoint = reached != "copy"
            let url = isPoint ? "http://localhost:\(scenario.server.port)" : scenario.server.endpoint
            try scenario.server.can(
                "\(isPoint ? "" : "/copy")/key?versionId=\(Self.row.versionId)", .init(body: "content"))
            let words = [
                "init", scenario.store, "--bucket", isPoint ? reached : "s3://copy", "--inventory", scenario.folder.url,
                "--endpoint-url", url,
            ]
            // What would stop every sync stops `init`.
            let refused = try scenario.run(words)
            #expect(refused.status == 1 && refused.complaints.count == 1, "\(refused)")
            for part in ["'bucket'", "--source-bucket bucket", "\"sourceBucket\" : \"bucket\""] {
                #expect(refused.stderr.contains(part), "\(part): \(refused)")
            }
            #expect(!Files.exists(scenario.store))

            try #require(try scenario.run(words + ["--source-bucket", "bucket"]).status == 0)
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
            let request = try #require(try scenario.server.log().last)
            if isPoint {
                #expect(request.header("Host") == "my-point-123456789012.localhost:\(scenario.server.port)")
                #expect(request.header("Authorization")?.contains("/eu-west-1/s3/") == true)
            }
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.succeed("reindex")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }
}
