import Basics
import Foundation
import Testbed
import Testing

/// Who may read a bucket: on a server that checks every signature and every policy.
@Suite struct AccessTests {
    /// A bucket with ten objects, and its inventory in a directory of the bench.
    private func use(
        _ server: RGWServer, isPublic: Bool = false, denied: String? = nil,
        _ body: (Bench, _ bucket: String, _ inventory: String) throws -> Void
    ) throws {
        let admin = try S3Admin(server)
        let bucket = "access-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket, isPublic: isPublic)
        try admin.put(bucket, (0..<10).map { S3Admin.NewObject(key: "key \($0)", content: bytes("content \($0)")) })
        if let denied { try admin.deny(bucket, denied, isPublic: isPublic) }
        try Bench.use(server) { bench in
            let inventory = try admin.makeInventory(of: bucket, in: "\(bench.directory)/inventories")
            #expect(inventory.rows == 10)
            try body(bench, bucket, "file://\(bench.directory)/inventories")
        }
    }

    private func expectAll(_ bench: Bench, but missing: Int? = nil) throws {
        for number in 0..<10 where number != missing {
            #expect(try bench.succeed("cat", "key \(number)").text == "content \(number)")
        }
    }

    @Test func keysAndTheirSessionTokenSign() throws {
        let server = try RGWServer.sharedWithSTS()
        let (accessKey, secretKey, token) = try S3Admin(server).assumeRole()
        try use(server) { bench, bucket, inventory in
            bench.hide(secretKey)
            bench.hide(token)
            try bench.initialize(bucket, inventory: inventory)
            let keys = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
            // Without its token a key is nothing; this server calls that AccessDenied.
            let without = try bench.run("sync", "--json", environment: keys)
            #expect(without.status == 3, "\(without)")
            #expect(try without.record["failed"] as? Int == 10 && without.record["fetched"] as? Int == 0)
            try bench.succeed("sync", environment: keys.merging(["AWS_SESSION_TOKEN": token]) { $1 })
            try expectAll(bench)
        }
    }

    @Test func aRoleOfAProfileSigns() throws {
        let server = try RGWServer.sharedWithSTS()
        // Makes the role.
        _ = try S3Admin(server).assumeRole()
        try use(server) { bench, bucket, inventory in
            try Files.createDirectory("\(bench.directory)/.aws")
            try Files.replace(
                "\(bench.directory)/.aws/config",
                with: bytes(
                    """
                    [profile base]
                    aws_access_key_id = \(server.accessKey)
                    aws_secret_access_key = \(server.secretKey)
                    [profile reader]
                    role_arn = arn:aws:iam:::role/test
                    source_profile = base
                    """))
            try bench.initialize(bucket, inventory: inventory, "--profile", "reader")
            try bench.succeed("sync")
            try expectAll(bench)
        }
    }

    @Test(arguments: ["testaccess", "nobody"])
    func aWrongSecretEndsTheSyncInOneSentence(accessKey: String) throws {
        try use(try RGWServer.shared()) { bench, bucket, inventory in
            bench.hide("wrong/secret+of/the/test")
            try bench.initialize(bucket, inventory: inventory)
            let keys = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": "wrong/secret+of/the/test"]
            let run = try bench.run("sync", environment: keys)
            #expect(run.status == 1 && run.complaints.count == 1 && run.stdout.isEmpty, "\(run)")
            let code = accessKey == "nobody" ? "InvalidAccessKeyId" : "SignatureDoesNotMatch"
            #expect(run.stderr.contains(code), "\(run)")
            #expect(try bench.succeed("snapshots", "--json").stdout.isEmpty, "nothing was changed")
            try bench.succeed("sync")
            try expectAll(bench)
        }
    }

    @Test(arguments: [true, false])
    func oneObjectThatMayNotBeReadIsReportedAndTheOthersAreThere(isPublic: Bool) throws {
        try use(try RGWServer.shared(), isPublic: isPublic, denied: "key 3") { bench, bucket, inventory in
            try bench.initialize(bucket, inventory: inventory)
            let who = isPublic ? ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""] : [:]
            let run = try bench.run("sync", "--json", environment: who)
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["failed"] as? Int == 1 && run.record["fetched"] as? Int == 9, "\(run)")
            #expect(run.stderr.contains("icecore status"), "\(run)")
            let failures = try bench.succeed("status", "--json").records.dropFirst()
            #expect(failures.count == 1 && failures.first?["key"] as? String == "key 3")
            #expect((failures.first?["reason"] as? String)?.contains("AccessDenied") == true, "\(failures)")
            try expectAll(bench, but: 3)
            #expect(try bench.run("cat", "key 3").status == 1)
        }
    }

    @Test(arguments: [true, false])
    func aPublicBucketNeedsNoCredentials(flag: Bool) throws {
        try use(try RGWServer.shared(), isPublic: true) { bench, bucket, inventory in
            // With the flag, wrong ones do no harm.
            let keys =
                flag ? ["AWS_SECRET_ACCESS_KEY": "wrong"] : ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""]
            let words = ["init", bench.store, "--bucket", "s3://\(bucket)", "--inventory", inventory]
            let made = try bench.run(words + (flag ? ["--no-sign-request"] : []))
            try #require(made.status == 0, "\(made)")
            try bench.succeed("sync", environment: keys)
            try expectAll(bench)
        }
    }

    @Test func aPrivateBucketWithoutCredentialsHasNothingForAnybody() throws {
        try use(try RGWServer.shared()) { bench, bucket, inventory in
            try bench.initialize(bucket, inventory: inventory)
            let run = try bench.run("sync", environment: ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""])
            #expect(run.status == 3, "\(run)")
            #expect(try bench.succeed("status", "--json").records.count == 11)
        }
    }
}
