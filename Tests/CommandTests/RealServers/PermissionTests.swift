import Basics
import Foundation
import Testbed
import Testing

/// The policies of docs/PERMISSIONS.md, at a server that enforces them: each is enough, and no action in it is too many.
@Suite struct PermissionTests {
    /// A bucket with an old version, and one that the inventory lists and that is gone since.
    private struct KeptBucket {
        let server: RGWServer
        let admin: S3Admin
        let bucket: String
        let all: S3Admin.MadeInventory
        let current: S3Admin.MadeInventory
        var inventories: String { "\(bucket)-inventories" }

        init(in directory: String) throws {
            server = try RGWServer.shared()
            admin = try S3Admin(server)
            bucket = "permissions-\(UInt32.random(in: 0 ... .max))"
            try admin.createBucket(bucket)
            try admin.createBucket("\(bucket)-inventories", versioned: false)
            for text in ["old", "new"] { try admin.put(bucket, "replaced", bytes("the \(text) one")) }
            let expired = try admin.put(bucket, "expiring", bytes("will be gone"))
            try admin.put(bucket, "expiring", bytes("stays"))
            var options = S3Admin.InventoryOptions()
            options.destination = "\(bucket)-inventories"
            all = try admin.makeInventory(of: bucket, in: "\(directory)/all", options)
            options.currentOnly = true
            options.destinationPrefix = "current"
            current = try admin.makeInventory(of: bucket, in: "\(directory)/current", options)
            try admin.deleteVersion(bucket, "expiring", #require(expired.versionId))
        }

        func policy(_ inventory: S3Admin.MadeInventory) throws -> AccessPolicy {
            try AccessPolicy(
                "sync",
                [
                    ("my-inventories/my-bucket/all/", "\(inventories)/\(inventory.prefix)"),
                    ("my-inventories", inventories), ("my-bucket", bucket),
                ])
        }
    }

    private func sync(
        _ scenario: Scenario, _ source: KeptBucket, _ inventory: S3Admin.MadeInventory, _ user: RGWServer.User
    ) throws -> (initialize: Run, sync: Run) {
        try? Files.removeAll(scenario.store)
        let url = "s3://\(source.inventories)/\(inventory.prefix)"
        let initialize = try scenario.run(
            ["init", scenario.store, "--bucket", "s3://\(source.bucket)", "--inventory", url],
            environment: user.environment)
        #expect(initialize.status == 0, "\(initialize)")
        return (initialize, try scenario.run("sync", environment: user.environment))
    }

    @Test func theDocumentedPolicyIsEnoughForASyncAndNoActionIsTooMany() throws {
        try Scenario.use(try RGWServer.shared()) { scenario in
            try Files.createDirectory("\(scenario.directory)/all")
            try Files.createDirectory("\(scenario.directory)/current")
            let source = try KeptBucket(in: scenario.directory)
            let user = try source.server.makeUser()
            scenario.hide(user.secretKey)
            for inventory in [source.all, source.current] {
                try source.admin.setPolicy(of: user, try source.policy(inventory).document)
                let (initialize, run) = try sync(scenario, source, inventory, user)
                #expect(initialize.stderr.contains("the only inventory is \(inventory.name)"), "\(initialize)")
                #expect(run.status == 0, "\(run)")
                let isGone = run.text.contains("1 object is gone for good")
                #expect(isGone == (inventory.prefix == source.all.prefix), "\(run)")
                #expect(try scenario.succeed("cat", "replaced").text == "the new one")
            }
            for (sid, action) in try source.policy(source.all).actions {
                // Current versions are asked for without their ids where there are none.
                let inventory = sid == "ReadObjects" && action == "s3:GetObject" ? source.current : source.all
                try source.admin.setPolicy(of: user, try source.policy(inventory).without(sid, action).document)
                let (initialize, run) = try sync(scenario, source, inventory, user)
                #expect(run.status == (sid.hasSuffix("Inventories") ? 1 : 3), "without \(sid)'s \(action): \(run)")
                #expect(run.stderr.contains("this needs") && run.stderr.contains(action), "\(sid) \(action): \(run)")
                if sid.hasSuffix("Inventories") {
                    #expect(initialize.stderr.contains(action), "\(initialize)")
                } else {
                    #expect(try scenario.succeed("status").text.contains(action))
                }
            }
        }
    }

    // MARK: - Replicas

    private func withReplica(
        _ body: (Scenario, S3Admin, RGWServer.User, (_ user: RGWServer.User?) throws -> ReplicaPlace) throws -> Void
    ) throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let user = try server.makeUser()
        try Scenario.withContents { scenario in
            scenario.hide(user.secretKey)
            try body(scenario, admin, user) { user in
                let bucket = "permissions-\(UInt32.random(in: 0 ... .max))"
                try admin.createBucket(bucket, versioned: false)
                return place(bucket, server, user)
            }
        }
    }

    private func place(_ bucket: String, _ server: S3Server, _ user: RGWServer.User?) -> ReplicaPlace {
        ReplicaPlace(
            url: "s3://\(bucket)/backup", flags: ["--endpoint-url", server.endpoint],
            environment: server.environment.merging(["AWS_SESSION_TOKEN": ""]) { $1 }.merging(user?.environment ?? [:])
            {
                $1
            }, server: server)
    }

    private func push(_ scenario: Scenario, _ place: ReplicaPlace, _ words: String...) throws -> Run {
        try scenario.run(
            ["push", place.url, "--store", scenario.store] + place.flags + words, environment: place.environment)
    }

    @Test func theDocumentedPolicyIsEnoughForAPushAndNoActionIsTooMany() throws {
        try withReplica { scenario, admin, user, makePlace in
            let full = try makePlace(user)
            func policy(_ place: ReplicaPlace) throws -> AccessPolicy {
                try AccessPolicy("push", [("my-replica", place.bucketName)])
            }
            try admin.setPolicy(of: user, try policy(full).document)
            let run = try push(scenario, full)
            #expect(run.status == 0, "\(run)")
            for (sid, action) in try policy(full).actions {
                switch action {
                case "s3:ListBucket", "s3:GetObject", "s3:PutObject":
                    var place = try makePlace(user)
                    if action == "s3:GetObject" {
                        // Whoever has put an object may read it, at this server.
                        let owned = try makePlace(nil)
                        try scenario.push(owned)
                        place = self.place(owned.bucketName, try #require(owned.server), user)
                    }
                    try admin.setPolicy(of: user, try policy(place).without(sid, action).document)
                    let run = try push(scenario, place)
                    #expect(run.status == 1 && run.stderr.contains("this needs"), "without \(action): \(run)")
                    #expect(run.stderr.contains(action), "without \(action): \(run)")
                case "s3:DeleteObject":
                    // As after a push that was killed when it had written something.
                    try leaveBehind(scenario, full, "INSERT INTO object VALUES ('snapshots/none/file')")
                    try admin.setPolicy(of: user, try policy(full).without(sid, action).document)
                    let run = try push(scenario, full)
                    #expect(run.status == 1 && run.stderr.contains("this needs \(action)"), "without \(action): \(run)")
                default:
                    // As after a push that was killed while it sent a large content.
                    let id = action.contains("List") ? "NULL" : "'an-upload'"
                    try leaveBehind(
                        scenario, full,
                        "INSERT OR REPLACE INTO upload VALUES ('blobs/00/\(String(repeating: "0", count: 32))-1', \(id))"
                    )
                    try admin.setPolicy(of: user, try policy(full).without(sid, action).document)
                    let run = try push(scenario, full)
                    #expect(run.status == 1 && run.stderr.contains("this needs \(action)"), "without \(action): \(run)")
                }
                try admin.setPolicy(of: user, try policy(full).document)
                let again = try push(scenario, full)
                #expect(again.status == 0, "with all of them: \(again)")
            }
        }
    }

    /// Changes what the store has written down of a replica.
    private func leaveBehind(_ scenario: Scenario, _ place: ReplicaPlace, _ sql: String) throws {
        let run = try scenario.shell("for f in \"$STORE\"/replicas/*; do sqlite3 \"$f\" \"\(sql)\"; done")
        try #require(run.status == 0, "\(run)")
    }

    @Test func theDocumentedPolicyIsEnoughForReadersOfAReplica() throws {
        try withReplica { scenario, admin, user, makePlace in
            let whole = try makePlace(nil)
            try scenario.push(whole)
            let reader = place(whole.bucketName, try #require(whole.server), user)
            let policy = try AccessPolicy("read", [("my-replica", whole.bucketName)])
            try admin.setPolicy(of: user, policy.document)
            let path = try scenario.clone(reader, "clone")
            try scenario.expectSame(path, as: scenario.store)
            let cat = try scenario.run(
                ["cat", "shared/a", "--replica", reader.url, "--cache", "\(scenario.directory)/cache"] + reader.flags,
                environment: reader.environment)
            #expect(cat.text == "the same", "\(cat)")
            for (sid, action) in policy.actions {
                try admin.setPolicy(of: user, policy.without(sid, action).document)
                let run = try scenario.run(
                    ["clone", reader.url, "\(scenario.directory)/none"] + reader.flags, environment: reader.environment)
                #expect(run.status == 1 && run.stderr.contains("this needs \(action)"), "without \(action): \(run)")
            }
        }
    }
}
