import Basics
import Testbed
import Testing

/// The policy of docs/PERMISSIONS.md for listings, at a server that enforces policies.
@Suite struct ListingPermissionTests {
    @Test func theDocumentedPolicyIsEnoughForAListingAndNoActionIsTooMany() throws {
        let server = try RGWServer.shared()
        try Scenario.use(server) { scenario in
            let admin = try S3Admin(server)
            let user = try server.makeUser()
            scenario.hide(user.secretKey)
            func makeBucket(versioned: Bool) throws -> String {
                let bucket = "permissions-\(UInt32.random(in: 0 ... .max))"
                try admin.createBucket(bucket, versioned: versioned)
                for text in ["old", "new"] { try admin.put(bucket, "replaced", bytes("the \(text) one")) }
                return bucket
            }
            func sync(_ bucket: String, without missing: (sid: String, action: String)? = nil) throws -> Run {
                var policy = try AccessPolicy("list", [("my-bucket", bucket)])
                if let missing { policy = policy.without(missing.sid, missing.action) }
                try admin.setPolicy(of: user, policy.document)
                try? Files.removeAll(scenario.store)
                let initialize = try scenario.run(
                    ["init", scenario.store, "--bucket", "s3://\(bucket)", "--list"], environment: user.environment)
                #expect(initialize.status == 0, "\(initialize)")
                return try scenario.run("sync", environment: user.environment)
            }
            let (versioned, plain) = (try makeBucket(versioned: true), try makeBucket(versioned: false))
            for (bucket, listed) in [(versioned, "2 versions"), (plain, "1 object ")] {
                let run = try sync(bucket)
                #expect(run.status == 0 && run.text.contains("listed \(listed)"), "\(run)")
                #expect(try scenario.succeed("cat", "replaced").text == "the new one")
            }
            for (sid, action) in try AccessPolicy("list", []).actions {
                switch action {
                case "s3:GetBucketVersioning":
                    let run = try sync(plain, without: (sid, action))
                    #expect(run.text.contains("listed 1 version "), "without \(action): \(run)")
                default:
                    let run = try sync(action.contains("Version") ? versioned : plain, without: (sid, action))
                    #expect(run.status == (sid == "ListTheBucket" ? 1 : 3), "without \(action): \(run)")
                    #expect(run.stderr.contains("this needs") && run.stderr.contains(action), "\(action): \(run)")
                }
            }
        }
    }
}
