import Basics
import Foundation
import Testbed
import Testing

/// Objects that cannot be had: now, or ever again.
@Suite struct UnavailableObjectTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let denied = FaultServer.Canned(
        status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    private let good = Row("good", bytes("good content"))
    private let bad = Row("bad", bytes("bad content"))

    /// Syncs, and expects status 3 and one failure that is no farewell.
    private func expectMissing(_ scenario: Scenario, _ row: Row, says: String) throws {
        let run = try scenario.run("sync")
        #expect(run.status == 3, "\(run)")
        #expect(run.stderr.contains(row.key) && run.stderr.contains(says), "\(run)")
        let failures = try scenario.failures()
        #expect(failures.count == 1)
        #expect(failures.first?["key"] as? String == row.key)
        #expect(failures.first?["gone"] as? Bool == false)
        #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == false)
        #expect(try scenario.succeed("versions", "--json", row.key).record["present"] as? Bool == false)
        #expect(try scenario.run("cat", row.key).status == 1)
        #expect(try scenario.succeed("cat", "good").text == "good content")
    }

    /// Expects the next sync to bring everything.
    private func expectComplete(_ scenario: Scenario, _ row: Row) throws {
        try scenario.succeed("sync")
        #expect(try scenario.failures().isEmpty)
        #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)
        #expect(try scenario.succeed("cat", row.key).stdout == row.content)
    }

    @Test func whatIsForbiddenIsTriedAgainAtTheNextSync() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [good, bad])
            try scenario.server.can(scenario.target(bad), Self.denied)
            try scenario.server.can("/bucket/bad", Self.denied)
            try expectMissing(scenario, bad, says: "Access Denied")
            let mount = try scenario.mount()
            #expect((try? Files.read("\(mount)/bad", limit: 100)) == nil)
            #expect(try Files.read("\(mount)/good", limit: 100) == good.content)
            try expectMissing(scenario, bad, says: "Access Denied")
            try scenario.server.reset()
            try expectComplete(scenario, bad)
            #expect(Clock.wait(seconds: 60) { (try? Files.read("\(mount)/bad", limit: 100)) == bad.content })
            #expect(try scenario.requests()[scenario.target(good)] == nil, "what is there is not fetched again")
        }
    }

    /// Some servers and proxies say so of objects, too; of a delete marker, S3 says that it is one.
    @Test func aMethodThatIsNotAllowedIsNoFarewellUnlessADeleteMarkerIsNamed() throws {
        try Scenario.withBucket { scenario in
            let body = "<Error><Code>MethodNotAllowed</Code><Message>Not against this resource.</Message></Error>"
            try scenario.add(Self.name, [good, bad])
            for target in [scenario.target(bad), "/bucket/bad"] {
                try scenario.server.can(target, .init(status: 405, body: body))
            }
            try expectMissing(scenario, bad, says: "MethodNotAllowed")
            try scenario.server.reset()
            try expectComplete(scenario, bad)
        }
        try Scenario.withBucket { scenario in
            let body = "<Error><Code>MethodNotAllowed</Code></Error>"
            try scenario.add(Self.name, [good, bad])
            try scenario.server.can(
                scenario.target(bad), .init(status: 405, headers: [("x-amz-delete-marker", "true")], body: body))
            try scenario.succeed("sync")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
        }
    }

    @Test func whatStaysDamagedIsNotKept() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [good, bad])
            var faults = FaultServer.Faults()
            faults.alwaysWrong = [scenario.target(bad)]
            try scenario.server.set(faults)
            try expectMissing(scenario, bad, says: "MD5")
            #expect(try scenario.blobs.count == 1)
            try scenario.server.reset()
            try expectComplete(scenario, bad)
        }
    }

    @Test func anExpiredVersionIsGoneAndNeverAskedForAgain() throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let new = Row("key", bytes("new"))
            try scenario.folder.write(Self.name, [old, new])
            try scenario.server.add(Scenario.bucket, [new])
            let first = try scenario.succeed("sync")
            #expect(first.stderr.contains("gone"), "\(first)")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            #expect(try scenario.succeed("snapshots", "--json").record["complete"] as? Bool == true)

            try scenario.server.reset()
            let second = try scenario.succeed("sync")
            #expect(second.stderr.isEmpty, "it was reported once: \(second)")
            #expect(try scenario.requests().isEmpty)
            // Nor with the next inventory that lists it.
            try scenario.folder.write("2024-03-03T01-00Z", [old, new])
            let third = try scenario.succeed("sync")
            #expect(third.stderr.isEmpty, "\(third)")
            #expect(try scenario.requests().isEmpty)
            let cat = try scenario.run("cat", "--version-id", old.versionId, "key")
            #expect(cat.status == 1 && cat.stderr.contains("gone"), "\(cat)")
        }
    }

    /// How the later inventory is synced: at once, or its index first.
    @Test(arguments: [false, true], [false, true])
    func whatWasGoneIsAskedForAgainWhenALaterInventoryListsIt(isBack: Bool, indexFirst: Bool) throws {
        try Scenario.withBucket { scenario in
            let old = Row("key", bytes("old"), at: "2024-02-01T00:00:00.000Z").with { $0.isLatest = false }
            let new = Row("key", bytes("new"))
            try scenario.folder.write(Self.name, [old, new])
            try scenario.server.add(Scenario.bucket, [new])
            try scenario.succeed("sync")
            #expect(try scenario.failures().count == 1)

            // As if it had been asked for long ago, so that the next inventory was taken after that.
            let sql = "UPDATE failure SET failedAt = 1709380800000"
            let python =
                "import sqlite3, sys; index = sqlite3.connect(sys.argv[1]); index.execute(sys.argv[2]); index.commit()"
            let update = try RunningProgram(
                "/usr/bin/python3", ["-c", python, "\(scenario.store)/index.sqlite", sql].map { Array($0.utf8) },
                environment: [:], currentDirectory: "/", outputs: "\(scenario.directory)/outputs"
            ).wait()
            try #require(update.status == 0, "\(update)")
            try scenario.folder.write("2024-03-03T01-00Z", [old, new])
            if isBack { try scenario.server.add(Scenario.bucket, [old]) }
            try scenario.server.reset()
            if indexFirst {
                try scenario.succeed("sync", "--metadata-only")
                #expect(try scenario.requests().isEmpty)
            }
            let run = try scenario.succeed("sync", "--json")
            #expect(try scenario.requests() == [scenario.target(old): 1])
            #expect(try run.record["fetched"] as? Int == (isBack ? 1 : 0), "\(run)")
            #expect(try run.record["gone"] as? Int == (isBack ? 0 : 1), "\(run)")
            #expect(try scenario.failures().count == (isBack ? 0 : 1))
            #expect(try scenario.succeed("snapshots", "--json").records.last?["complete"] as? Bool == true)
            let cat = try scenario.run("cat", "--version-id", old.versionId, "key")
            #expect(isBack ? cat.text == "old" : cat.status == 1, "\(cat)")

            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty, "once for each inventory")
        }
    }

    @Test func aNullVersionThatComesBackIsNotTakenForTheOneThatIsGone() throws {
        try Scenario.withBucket { scenario in
            let first = Row("key", bytes("the same"), versionId: "null")
            try scenario.folder.write(Self.name, [first])
            try scenario.server.add(Scenario.bucket, [Row("key", bytes("other"), versionId: "null")])
            try scenario.succeed("sync")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            // The same key, id and ETag, put again later: another version.
            try scenario.add(
                "2024-03-04T01-00Z",
                [Row("key", bytes("the same"), versionId: "null", at: "2024-03-03T00:00:00.000Z")])
            #expect(try scenario.succeed("sync", "--json").record["fetched"] as? Int == 1)
            #expect(try scenario.failures().isEmpty)
            #expect(try scenario.succeed("cat", "key").text == "the same")
            let present = try scenario.succeed("versions", "--json", "key").records.map { $0["present"] as? Bool }
            #expect(present == [true, true])
        }
    }

    @Test func aPublicBucketThatGrantsOnlyTheCurrentObjectIsReadByKey() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [good])
            try scenario.server.can(scenario.target(good), Self.denied)
            let etag = "\"\(Hex.encode(MD5.digest(good.content)))\""
            try scenario.server.can("/bucket/good", .init(headers: [("ETag", etag)], body: "good content"))
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "good").text == "good content")
            let second = try #require(try scenario.server.log().last)
            #expect(second.target == "/bucket/good" && second.header("If-Match") == etag)
            let first = try #require(try scenario.server.log().first)
            #expect(first.header("If-Match") == nil, "where the id is known, only the content decides")
        }
    }

    @Test func aNullVersionThatWasOverwrittenIsGone() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("before"), versionId: "null")
            try scenario.folder.write(Self.name, [row, good])
            try scenario.server.add(Scenario.bucket, [good, Row("key", bytes("after"), versionId: "null")])
            let run = try scenario.succeed("sync")
            #expect(run.stderr.contains("replaced"), "\(run)")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            #expect(try scenario.blobs.count == 1)
        }
    }

    @Test func anUnversionedObjectThatWasOverwrittenIsGone() throws {
        try Scenario.withBucket { scenario in
            try scenario.folder.write(Self.name, [good, bad], columns: InventoryFolder.columnsWithoutVersions)
            try scenario.server.add(Scenario.bucket, [good])
            try scenario.server.can(
                "/bucket/bad", .init(status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>"))
            let run = try scenario.succeed("sync")
            #expect(run.stderr.contains("replaced"), "\(run)")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            #expect(try scenario.failures().first?["versionId"] is NSNull)
            #expect(try scenario.server.log().first?.header("If-Match") == "\"\(Hex.encode(MD5.digest(bad.content)))\"")
            #expect(try scenario.succeed("versions", "--json", "good").record["versionId"] is NSNull)
        }
    }

    @Test(arguments: [true, false])
    func anEncryptedObjectIsKeptUnderItsSHA256(columnSaysSo: Bool) throws {
        try Scenario.withBucket { scenario in
            // The ETag of such an object is not the MD5 of anything.
            let secret = Row("secret", bytes("encrypted at rest")).with {
                $0.etag = "0123456789abcdef0123456789abcdef"
                $0.encryption = "SSE-KMS"
            }
            let columns = InventoryFolder.columns.filter { columnSaysSo || $0 != "EncryptionStatus" }
            try scenario.folder.write(Self.name, [good, secret], columns: columns)
            try scenario.server.add(Scenario.bucket, [good])
            try scenario.server.can(
                scenario.target(secret),
                .init(
                    headers: [
                        ("ETag", "\"0123456789abcdef0123456789abcdef\""), ("x-amz-server-side-encryption", "aws:kms"),
                    ], body: "encrypted at rest"))
            try scenario.succeed("sync")
            let sha256 = Hex.encode(SHA256.digest(secret.content))
            #expect(try scenario.blobs.contains("\(sha256.prefix(2))/x-\(sha256)-\(secret.content.count)"))
            #expect(try scenario.succeed("cat", "secret").stdout == secret.content)
            let mount = try scenario.mount()
            #expect(try Files.read("\(mount)/secret", limit: 100) == secret.content)

            let before = try StoreDigest.of(scenario.store)
            try scenario.succeed("sync")
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            #expect(try scenario.server.log().count == 1, "it is fetched once")
        }
    }

    @Test func aPartSizeThatNobodyCanGuessIsAskedFor() throws {
        let server = try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = "parts-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        let content = RealBucket.oddParts
        let stored = try admin.put(
            bucket, S3Admin.NewObject(key: "odd", content: content, partSize: RealBucket.oddPartSize))
        try Scenario.use(server) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync")
            // The name says that its ETag vouches for it.
            let name = "\(stored.etag.prefix(2))/\(stored.etag)-\(content.count)"
            #expect(try StoreDigest.blobs(scenario.store) == [name: Hex.encode(MD5.digest(content))])
            #expect(try scenario.succeed("cat", "odd").stdout.isSame(as: content))
        }
    }

    @Test func contentsAreStoredOnceAndUncheckableOnesUnderTheirSHA256() throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(bucket.name, inventory: "file://\(bucket.directory)")
            try scenario.succeed("sync")
            let contents = Set(bucket.objects.map { Hex.encode(MD5.digest(bucket.content($0) ?? [])) })
            let blobs = try StoreDigest.blobs(scenario.store)
            #expect(contents.count < bucket.objects.count)
            #expect(blobs.count == contents.count && Set(blobs.values) == contents)
            // Ceph cannot be asked for a part's size.
            let opaque = blobs.keys.filter { $0.contains("/x-") }
            #expect(opaque.count == 1 && opaque.first?.hasSuffix("-\(RealBucket.oddParts.count)") == true)
        }
    }
}
