import Basics
import Foundation
import Testbed
import Testing

/// Objects that the source refuses, or that it calls gone although most of the bucket cannot be.
@Suite struct RefusedObjectTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let next = "2024-03-03T01-00Z"
    private static let denied = FaultServer.Canned(
        status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    private static let keyNeeded = FaultServer.Canned(
        status: 400,
        body: """
            <Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side Encryption. The \
            correct parameters must be provided to retrieve the object.</Message></Error>
            """)
    private let good = Row("good", bytes("good content"))

    private func state(_ scenario: Scenario, _ key: String) throws -> [String] {
        try scenario.succeed("versions", "--json", key).records.compactMap { $0["state"] as? String }
    }

    @Test(arguments: ["SSE-C", "NOT-SSE"])
    func whatIsEncryptedWithTheOwnersKeyIsAState(column: String) throws {
        try Scenario.withBucket { scenario in
            let secret = Row("secret", bytes("for the owner alone")).with { $0.encryption = column }
            try scenario.add(Self.name, [good, secret])
            try scenario.server.can(scenario.target(secret), Self.keyNeeded)
            let run = try scenario.succeed("sync")
            #expect(run.stderr.isEmpty && run.text.contains("(SSE-C): 1 version"), "\(run)")
            #expect(try state(scenario, "secret") == ["refused"])
            let failure = try #require(try scenario.failures().first)
            #expect(failure["state"] as? String == "refused" && failure["gone"] as? Bool == false)
            #expect((failure["reason"] as? String)?.contains("SSE-C") == true, "\(failure)")
            #expect(try scenario.succeed("status").text.contains("refused:    1 version"))
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
            try scenario.succeed("verify")

            try scenario.server.reset()
            try scenario.server.can(scenario.target(secret), Self.keyNeeded)
            try scenario.succeed("sync")
            try scenario.folder.write(Self.next, [good, secret])
            let later = try scenario.succeed("sync")
            #expect(try scenario.requests()[scenario.target(secret)] == nil, "nobody has the key the next day either")
            #expect(later.stderr.isEmpty && later.text.contains("(SSE-C): 1 version"), "\(later)")
        }
    }

    /// Without permission to list the bucket, S3 says 403 of what is not there.
    @Test func aRefusedVersionThatIsNoLongerListedIsGone() throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let new = Row("key", bytes("new"))
            try scenario.add(Self.name, [good, old, new])
            try scenario.server.can(scenario.target(old), Self.denied)
            let first = try scenario.run("sync")
            #expect(first.status == 3, "\(first)")
            #expect(first.stderr.contains("s3:ListBucket") && first.stderr.contains("s3:GetObjectVersion"), "\(first)")
            #expect(try state(scenario, "key") == ["present", "refused"])
            #expect(try scenario.run("verify").status == 3)
            #expect(try scenario.run("sync").status == 3, "it is asked for as long as it is listed")

            try scenario.folder.write(Self.next, [good, new])
            try scenario.succeed("sync")
            #expect(try state(scenario, "key") == ["present", "gone"])
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            try scenario.succeed("verify")
            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func aRepairCallsARefusedVersionGoneThatIsNoLongerListed() throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let listed = Row("listed", bytes("still listed"))
            try scenario.add(Self.name, [good, old, listed])
            try scenario.succeed("sync")
            try scenario.folder.write(Self.next, [good, listed])
            try scenario.succeed("sync")
            for row in [old, listed] {
                try Files.remove(scenario.blob(row))
                try scenario.server.can(scenario.target(row), Self.denied)
            }
            try scenario.server.can("/bucket/listed", Self.denied)
            let run = try scenario.run("verify", "--repair", "--accept-gone")
            #expect(run.status == 1 && run.stderr.contains("1 version is gone for good"), "\(run)")
            #expect(try state(scenario, "key") == ["gone"])
            #expect(try state(scenario, "listed") == ["refused"], "the bucket still has it")
            let failures = try scenario.failures().reduce(into: [:]) { $0[$1["key"] as? String] = $1["gone"] as? Bool }
            #expect(failures == ["key": true, "listed": false])
            let again = try scenario.run("verify")
            #expect(again.status == 3 && !again.text.contains("'key'"), "\(again)")
        }
    }

    @Test func whatFailedAndIsNoLongerListedIsAskedForOnceMore() throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let new = Row("key", bytes("new"))
            try scenario.add(Self.name, [good, old, new])
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(old)]
            try scenario.server.set(faults)
            #expect(try scenario.run("sync").status == 3)
            #expect(try state(scenario, "key") == ["present", "missing"])
            try scenario.server.reset()
            try scenario.folder.write(Self.next, [good, new])
            try scenario.succeed("sync")
            #expect(try state(scenario, "key") == ["present", "present"])
        }
    }

    /// A server that has lost nearly everything, or is another one.
    @Test func aServerThatDeniesMostOfTheBucketIsNotBelieved() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<2000).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.folder.write(Self.name, rows)
            try scenario.server.add(Scenario.bucket, Array(rows.prefix(100)))
            let run = try scenario.run("sync")
            #expect(run.status == 1, "\(run)")
            #expect(run.stderr.contains("--accept-gone") && run.stderr.contains("http://127.0.0.1"), "\(run)")
            #expect(try scenario.requests().count < 1500, "it does not ask to the end")
            #expect(try scenario.failures().isEmpty)
            #expect(try scenario.succeed("snapshots", "--json").records.isEmpty)

            // The right server has everything.
            try scenario.server.add(Scenario.bucket, rows)
            try scenario.succeed("sync")
            #expect(try scenario.blobs.count == 2000)
        }
    }

    @Test func theStopNamesTheServersOwnReason() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<30).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add("2024-03-02T01-00Z", rows)
            let reason = "User: u is not authorized to perform: kms:Decrypt on resource: key/1"
            let body = "<Error><Code>AccessDenied</Code><Message>\(reason)</Message></Error>"
            for row in rows {
                for target in [scenario.target(row), "/bucket/\(row.key)"] {
                    try scenario.server.can(target, .init(status: 403, body: body))
                }
            }
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(
                run.stderr.contains("(key/") && run.stderr.contains("\(reason) (AccessDenied, status 403)"), "\(run)")
            #expect(!run.stderr.contains("s3:GetObject"), "the server has named the action: \(run)")
        }
    }

    @Test func lossesAreAcceptedWhenAPersonSaysSo() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<200).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.folder.write(Self.name, rows)
            try scenario.server.add(Scenario.bucket, Array(rows.prefix(20)))
            #expect(try scenario.run("sync").status == 1)
            let run = try scenario.succeed("sync", "--accept-gone")
            #expect(run.text.contains("180 objects are gone for good"), "\(run)")
            let status = try scenario.succeed("status")
            #expect(status.text.split(separator: "\n").count < 30, "\(status)")
            #expect(status.text.contains("gone:       180 versions"), "\(status)")
            #expect(status.text.contains("NoSuchKey): 180 versions"), "\(status)")
            let list = try scenario.succeed("status", "--failures")
            #expect(list.text.split(separator: "\n").count == 180, "\(list)")
            #expect(try scenario.succeed("status", "--failures", "--json").records.count == 180)
        }
    }

    @Test func aRepairDoesNotBelieveAServerThatDeniesMostEither() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<30).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync")
            for row in rows.prefix(20) { try Scenario.change(scenario.blob(row)) { $0[0] ^= 1 } }
            try scenario.server.takeAway(Scenario.bucket)
            let run = try scenario.run("verify", "--repair")
            #expect(run.status == 1 && run.stderr.contains("--accept-gone"), "\(run)")
            #expect(try scenario.failures().isEmpty)
            let accepted = try scenario.run("verify", "--repair", "--accept-gone")
            #expect(accepted.status == 1 && accepted.stderr.contains("20 versions are gone for good"), "\(accepted)")
        }
    }

    @Test func credentialsThatMayReadNothingStopASync() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<60).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.folder.write(Self.name, rows)
            for row in rows {
                try scenario.server.can(scenario.target(row), Self.denied)
                try scenario.server.can("/bucket/\(row.key)", Self.denied)
            }
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.stderr.contains("refuses"), "\(run)")
            #expect(try scenario.failures().isEmpty)
            try scenario.server.reset()
            try scenario.server.add(Scenario.bucket, rows)
            try scenario.succeed("sync")
        }
    }

    /// Old versions do expire, however many.
    @Test func versionsThatHaveExpiredAreNoReasonToStop() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<60).map { Row("key/\($0)", bytes("content \($0)")) }
            let old = rows.map { row in
                Row(row.key, bytes("old"), versionId: "old-\(row.key)", at: "2024-02-01T00:00:00.000Z").with {
                    $0.isLatest = false
                    $0.etag = Hex.encode(MD5.digest(bytes("old of \(row.key)")))
                }
            }
            try scenario.folder.write(Self.name, rows + old)
            try scenario.server.add(Scenario.bucket, rows)
            let run = try scenario.succeed("sync")
            #expect(run.text.contains("60 objects are gone for good"), "\(run)")
        }
    }

    @Test func anInventoryThatLacksMostKeysIsRefusedIfStrict() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<10).map { Row("key/\($0)", bytes("content \($0)")) }
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync", "--strict")
            try scenario.folder.write(Self.next, Array(rows.prefix(3)))
            for words in [["--strict"], ["--strict", "--metadata-only"], ["--strict", "--dry-run"]] {
                let run = try scenario.run(["sync", "--store", scenario.store] + words)
                #expect(run.status == 1 && run.stderr.contains("lists 3 keys"), "\(run)")
                #expect(run.stderr.contains("had 10") && run.stderr.contains("--strict"), "\(run)")
            }
            #expect(try scenario.succeed("snapshots", "--json").records.count == 1)
            let run = try scenario.succeed("sync")
            #expect(run.stderr.contains("lists 3 keys") && run.stderr.contains("had 10"), "\(run)")
        }
    }

    @Test(arguments: [false, true])
    func anObjectLargerThanAFileMayBeIsLeftOut(inChunks: Bool) throws {
        try Scenario.withBucket { scenario in
            let large = SyntheticObject(name: "large", size: 24 << 20, partSize: nil)
            try scenario.folder.write(Self.name, [good, large.row()])
            try scenario.server.add(Scenario.bucket, [good])
            let words = inChunks ? "--chunk-threshold 8M --chunk-size 8M" : ""
            // Half a kilobyte each.
            let run = try scenario.shell("ulimit -f 16384; exec \"$ICECORE\" sync --store \"$STORE\" \(words)")
            #expect(run.status == 3 && run.stderr.contains("file system"), "\(run)")
            #expect(try scenario.succeed("cat", "good").text == "good content")
            #expect(try StoreDigest.files("\(scenario.store)/tmp").isEmpty)
            try scenario.succeed("sync")
            let blob = "\(scenario.store)/blobs/\(large.etag.prefix(2))/\(large.etag)-\(large.size)"
            #expect(try large.isContent(of: blob))
        }
    }
}
