import Basics
import Foundation
import Testbed
import Testing

/// The policy of docs/PERMISSIONS.md for restores, at a server that enforces policies.
@Suite struct RestorePermissionTests {
    /// Something for every action: a version that is deleted, one whose content is lost, tags that are others, a key too many.
    private func damage(_ bucket: LostBucket) throws {
        try bucket.admin.delete(bucket.name, "plain/1/1")
        try bucket.admin.put(bucket.name, "plain/2/2", bytes("another content"))
        var retagged = try #require(LostBucket.objects(0, isStrict: false).first { $0.key == "full" })
        retagged.tags = ["other": "tags"]
        try bucket.admin.put(bucket.name, retagged)
        try bucket.admin.put(bucket.name, "too many", bytes("not there on the first day"))
        // Nothing is known of what the target has.
        try? Files.removeAll("\(bucket.scenario.store)/restores")
    }

    /// What a restore that was killed has written down: an upload that it had begun, or was about to.
    private func leaveBehind(_ bucket: LostBucket, isBegun: Bool) throws {
        #expect(try bucket.restore("s3://\(bucket.name)", "--dry-run").status == 0)
        #expect(try bucket.restore("s3://\(bucket.name)").status == 0)
        let id = isBegun ? "'no-such-upload'" : "NULL"
        let sql = "INSERT OR REPLACE INTO upload VALUES ('parts/usual', \(id))"
        let run = try bucket.scenario.shell("for f in \"$STORE\"/restores/*.sqlite; do sqlite3 \"$f\" \"\(sql)\"; done")
        try #require(run.status == 0, "\(run)")
    }

    @Test func theDocumentedPolicyIsEnoughForARestoreAndNoActionIsTooMany() throws {
        try LostBucket.use("RGW", plain: 12) { bucket in
            let server = try RGWServer.shared()
            let user = try server.makeUser()
            bucket.scenario.hide(user.secretKey)
            let policy = try AccessPolicy("restore", [("my-bucket", bucket.name)])
            func restore(_ words: String...) throws -> Run {
                try bucket.scenario.run(
                    [
                        "restore", "s3://\(bucket.name)", "--at", LostBucket.firstDay, "--store", bucket.scenario.store,
                        "--json", "--delete",
                    ] + words, environment: user.environment.merging(["AWS_SESSION_TOKEN": ""]) { $1 }, seconds: 120)
            }
            for (sid, action) in policy.actions {
                let cleansUp = action == "s3:AbortMultipartUpload" || action == "s3:ListBucketMultipartUploads"
                if cleansUp {
                    try leaveBehind(bucket, isBegun: action == "s3:AbortMultipartUpload")
                } else {
                    try damage(bucket)
                }
                try bucket.admin.setPolicy(of: user, policy.without(sid, action).document)
                let run = try restore()
                if action == "s3:GetObjectVersion" {
                    #expect(run.status == 0, "without \(action): \(run)")
                    #expect(try run.record["copied"] as? Int == 0, "\(run)")
                    #expect(try run.record["uploaded"] as? Int ?? 0 > 0, "\(run)")
                } else {
                    #expect(run.status == 1 || run.status == 3, "without \(action): \(run)")
                    #expect(run.stderr.contains("this needs \(action)"), "without \(action): \(run)")
                }
                try bucket.admin.setPolicy(of: user, policy.document)
                let whole = try restore()
                #expect(whole.status == 0, "with all of them: \(whole)")
                // What this user has put is not the owner's to read, so the program has to say that all is as it was.
                let check = try restore("--check", "--dry-run").record
                #expect(check["equal"] as? Int == bucket.first.count, "\(check)")
                for name in ["copied", "uploaded", "retagged", "deleted", "failed"] {
                    #expect(check[name] as? Int ?? 0 == 0, "\(check)")
                }
            }
        }
    }
}
