import Basics
import Foundation
import Testbed
import Testing

/// What a real server says of a wrong name, a wrong key or a wrong scheme, and what a person makes of it.
@Suite struct WrongAccessTests {
    private func withBucket(_ body: (Scenario, RGWServer, _ bucket: String, _ inventory: String) throws -> Void) throws
    {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "access-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try admin.put(bucket, "key", bytes("content"))
        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try body(scenario, server, bucket, "file://\(scenario.directory)/inventories")
        }
    }

    @Test func aBucketThatDoesNotExistStopsInit() throws {
        try withBucket { scenario, server, bucket, inventory in
            let words = ["init", scenario.store, "--source-bucket", bucket, "--inventory", inventory]
            let run = try scenario.run(words + ["--bucket", "s3://no-such-bucket-here"])
            #expect(run.status == 1 && run.complaints.count == 1 && !Files.exists(scenario.store), "\(run)")
            #expect(
                run.stderr.contains("there is no bucket 'no-such-bucket-here' at \(server.endpoint): check its name"),
                "\(run)")
        }
    }

    @Test func aBucketThatVanishedIsNamedBySync() throws {
        try withBucket { scenario, server, bucket, inventory in
            try scenario.initialize(bucket, inventory: inventory)
            let path = "\(scenario.store)/icecore.json"
            let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
            let changed = text.replacing(
                "\"bucket\" : \"\(bucket)\"", with: "\"bucket\" : \"not-\(bucket)\", \"sourceBucket\" : \"\(bucket)\"")
            try Files.replace(path, with: bytes(changed))
            let run = try scenario.run("sync")
            #expect(run.status != 0 && run.stderr.contains("not-\(bucket)"), "\(run)")
        }
    }

    @Test func aWrongSecretIsSaidByInitWithThePlaceThatItIsFrom() throws {
        try withBucket { scenario, server, bucket, inventory in
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace(
                "\(scenario.directory)/.aws/credentials",
                with: bytes(
                    "[typo]\naws_access_key_id = \(server.accessKey)\naws_secret_access_key = not-the-secret-at-all\n"))
            scenario.hide("not-the-secret-at-all")
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] { scenario.environment[name] = nil }
            let words = ["init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory", inventory]
            let run = try scenario.run(words + ["--profile", "typo"])
            // Keys can be mended later.
            #expect(run.status == 0 && run.stderr.contains("the bucket could not be asked"), "\(run)")
            #expect(run.stderr.contains("SignatureDoesNotMatch"), "\(run)")
            #expect(run.stderr.contains("the credentials are from the profile 'typo'"), "\(run)")
            let sync = try scenario.run("sync")
            #expect(sync.status != 0 && sync.stderr.contains("profile 'typo'"), "\(sync)")
        }
    }

    @Test func anEndpointThatSpeaksNoTLSIsCalledSo() throws {
        try withBucket { scenario, server, bucket, inventory in
            let words = ["init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory", inventory]
            let run = try scenario.run(words + ["--endpoint-url", "https://127.0.0.1:\(server.port)"])
            #expect(run.status == 0 && run.stderr.contains("http:// rather than https://"), "\(run)")
        }
    }

    @Test func aSectionWithoutTheWordProfileIsPointedOut() throws {
        try withBucket { scenario, _, bucket, inventory in
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace("\(scenario.directory)/.aws/config", with: bytes("[lab]\nregion = us-east-1\n"))
            let words = ["init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory", inventory]
            let run = try scenario.run(words + ["--profile", "lab"])
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("a section [lab], which has to be called [profile lab]"), "\(run)")
            let other = try scenario.run(words + ["--profile", "else"])
            #expect(other.status == 1 && !other.stderr.contains("section"), "\(other)")
        }
    }

    @Test(arguments: [
        ("/mirror/inventories", "for a directory, write file:///mirror/inventories"),
        ("file://mirror", "after three slashes"), ("https://bucket.s3.amazonaws.com/x/", "URLs of the web"),
        ("s3://", "names no bucket"), ("s3://b/x/", "at least 3 characters"),
        ("s3://a b c/x/", "at least 3 characters"),
        ("s3://bucket/x/2024-11-06T01-00Z/", "holds the dates, without '2024-11-06T01-00Z'"),
        ("file:///x/2024-11-06T01-00Z/manifest.json", "without '2024-11-06T01-00Z/manifest.json'"),
    ])
    func anInventoryThatIsNoneIsExplained(inventory: String, says: String) throws {
        try Scenario.use { scenario in
            let run = try scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--inventory", inventory])
            #expect(run.status == 64 && run.complaints.count == 1 && run.stderr.contains(says), "\(run)")
            #expect(!Files.exists(scenario.store))
        }
    }
}
