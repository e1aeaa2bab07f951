import Basics
import Foundation
import Testbed
import Testing

/// Who may read a bucket: on a server that checks every signature and every policy.
@Suite struct AccessTests {
    /// A bucket with ten objects, and its inventory in the directory of the scenario.
    private func use(
        _ server: RGWServer, isPublic: Bool = false, denied: String? = nil,
        _ body: (Scenario, _ bucket: String, _ inventory: String) throws -> Void
    ) throws {
        let admin = try S3Admin(server)
        let bucket = "access-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket, isPublic: isPublic)
        try admin.put(bucket, (0..<10).map { S3Admin.NewObject(key: "key \($0)", content: bytes("content \($0)")) })
        if let denied { try admin.deny(bucket, denied, isPublic: isPublic) }
        try Scenario.use(server) { scenario in
            let inventory = try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            #expect(inventory.rows == 10)
            try body(scenario, bucket, "file://\(scenario.directory)/inventories")
        }
    }

    private func expectAll(_ scenario: Scenario, but missing: Int? = nil) throws {
        for number in 0..<10 where number != missing {
            #expect(try scenario.succeed("cat", "key \(number)").text == "content \(number)")
        }
    }

    @Test func keysAndTheirSessionTokenSign() throws {
        let server = try RGWServer.sharedWithSTS()
        let (accessKey, secretKey, token) = try S3Admin(server).assumeRole()
        try use(server) { scenario, bucket, inventory in
            scenario.hide(secretKey)
            scenario.hide(token)
            try scenario.initialize(bucket, inventory: inventory)
            let keys = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
            // Without its token a key is nothing; this server calls that AccessDenied.
            let without = try scenario.run("sync", "--json", environment: keys)
            #expect(without.status == 3, "\(without)")
            #expect(try without.record["failed"] as? Int == 10 && without.record["fetched"] as? Int == 0)
            try scenario.succeed("sync", environment: keys.merging(["AWS_SESSION_TOKEN": token]) { $1 })
            try expectAll(scenario)
        }
    }

    @Test func aRoleOfAProfileSigns() throws {
        let server = try RGWServer.sharedWithSTS()
        // Makes the role.
        _ = try S3Admin(server).assumeRole()
        try use(server) { scenario, bucket, inventory in
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace(
                "\(scenario.directory)/.aws/config",
                with: bytes(
                    """
                    [profile base]
                    aws_access_key_id = \(server.accessKey)
                    aws_secret_access_key = \(server.secretKey)
                    [profile reader]
                    role_arn = arn:aws:iam:::role/test
                    source_profile = base
                    """))
            try scenario.initialize(bucket, inventory: inventory, "--profile", "reader")
            try scenario.succeed("sync")
            try expectAll(scenario)
        }
    }

    @Test(arguments: ["testaccess", "nobody"])
    func aWrongSecretEndsTheSyncInOneSentence(accessKey: String) throws {
        try use(try RGWServer.shared()) { scenario, bucket, inventory in
            scenario.hide("wrong/secret+of/the/test")
            try scenario.initialize(bucket, inventory: inventory)
            let keys = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": "wrong/secret+of/the/test"]
            let run = try scenario.run("sync", environment: keys)
            #expect(run.status == 1 && run.complaints.count == 1 && run.stdout.isEmpty, "\(run)")
            let code = accessKey == "nobody" ? "InvalidAccessKeyId" : "SignatureDoesNotMatch"
            #expect(run.stderr.contains(code), "\(run)")
            #expect(try scenario.succeed("snapshots", "--json").stdout.isEmpty, "nothing was changed")
            try scenario.succeed("sync")
            try expectAll(scenario)
        }
    }

    @Test(arguments: [true, false])
    func oneObjectThatMayNotBeReadIsReportedAndTheOthersAreThere(isPublic: Bool) throws {
        try use(try RGWServer.shared(), isPublic: isPublic, denied: "key 3") { scenario, bucket, inventory in
            try scenario.initialize(bucket, inventory: inventory)
            let who = isPublic ? ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""] : [:]
            let run = try scenario.run("sync", "--json", environment: who)
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["failed"] as? Int == 1 && run.record["fetched"] as? Int == 9, "\(run)")
            #expect(run.stderr.contains("icecore status"), "\(run)")
            let failures = try scenario.succeed("status", "--json").records.dropFirst()
            #expect(failures.count == 1 && failures.first?["key"] as? String == "key 3")
            #expect((failures.first?["reason"] as? String)?.contains("AccessDenied") == true, "\(failures)")
            try expectAll(scenario, but: 3)
            #expect(try scenario.run("cat", "key 3").status == 1)
        }
    }

    @Test(arguments: [true, false])
    func aPublicBucketNeedsNoCredentials(flag: Bool) throws {
        try use(try RGWServer.shared(), isPublic: true) { scenario, bucket, inventory in
            // With the flag, wrong ones do no harm.
            let keys =
                flag ? ["AWS_SECRET_ACCESS_KEY": "wrong"] : ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""]
            let words = ["init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory", inventory]
            let made = try scenario.run(words + (flag ? ["--no-sign-request"] : []))
            try #require(made.status == 0, "\(made)")
            try scenario.succeed("sync", environment: keys)
            try expectAll(scenario)
        }
    }

    @Test func aPrivateBucketWithoutCredentialsHasNothingForAnybodyAndSaysWhereTheyWereLookedFor() throws {
        try use(try RGWServer.shared()) { scenario, bucket, inventory in
            try scenario.initialize(bucket, inventory: inventory)
            let nobody = ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""]
            let run = try scenario.run("sync", environment: nobody)
            #expect(run.status == 3, "\(run)")
            #expect(try scenario.succeed("status", "--json").records.count == 11)
            #expect(run.complaints.filter { $0.contains("no credentials were found") }.count == 1, "\(run)")
            for part in ["\(scenario.directory)/.aws/credentials", "aws configure", "--no-sign-request"] {
                #expect(run.stderr.contains(part), "\(part): \(run)")
            }
            // An inventory that may not be read, and a replica that may not be written.
            let other = "\(scenario.directory)/other"
            try #require(
                try scenario.run(["init", other, "--bucket", "s3://\(bucket)", "--inventory", "s3://\(bucket)/x/"])
                    .status == 0)
            let listing = try scenario.run(["sync", "--store", other], environment: nobody)
            let push = try scenario.run(["push", "s3://\(bucket)/r", "--store", scenario.store], environment: nobody)
            for refused in [listing, push] {
                #expect(refused.status == 1 && refused.stderr.contains("no credentials were found"), "\(refused)")
            }
            // Nothing of it where requests are meant to be unsigned.
            let meant = "\(scenario.directory)/meant"
            try #require(
                try scenario.run([
                    "init", meant, "--bucket", "s3://\(bucket)", "--inventory", inventory, "--no-sign-request",
                ]).status == 0)
            #expect(try !scenario.run(["sync", "--store", meant]).stderr.contains("no credentials"))
        }
    }
}
