import Basics
import Foundation
import Testbed
import Testing

/// Two contents with one MD5 and one size, as anybody can make them: what becomes of a bucket that has both.
@Suite struct CollisionTests {
    typealias Row = InventoryFolder.Row

    /// The pair that Xiaoyun Wang and others published in 2004. What is added to both at the end leaves the MD5s equal.
    static let first = Hex.decode(Array(pair("87", "71", "f2", "b4", "a8", "2b").utf8)) ?? []
    static let second = Hex.decode(Array(pair("07", "f1", "72", "34", "28", "ab").utf8)) ?? []

    private static func pair(_ a: String, _ b: String, _ c: String, _ d: String, _ e: String, _ f: String) -> String {
        "d131dd02c5e6eec4693d9a0698aff95c2fcab5\(a)12467eab4004583eb8fb7f89"
            + "55ad340609f4b30283e4888325\(b)415a085125e8f7cdc99fd91dbd\(c)80373c5b"
            + "d8823e3156348f5bae6dacd436c919c6dd53e2\(d)87da03fd02396306d248cda0"
            + "e99f33420f577ee8ce54b67080\(e)0d1ec69821bcb6a8839396f965\(f)6ff72a70"
    }

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]
    private static let tail = [UInt8](repeating: 0x2e, count: 3 << 20)

    /// Two keys, two versions of one key, and large contents: each pair collides.
    private static let rows = [
        Row("a", first, versionId: "a1"), Row("dir/b", second, versionId: "b1"),
        Row("twice", first, versionId: "t1").with { $0.isLatest = false },
        Row("twice", second, versionId: "t2", at: "2024-03-01T12:00:00.000Z"),
        Row("large/a", first + tail, versionId: "l1"), Row("large/b", second + tail, versionId: "l2"),
        Row("other", bytes("something else"), versionId: "o1"),
    ]

    @Test func thePairIsWhatItIsSaidToBe() throws {
        try Scenario.use { scenario in
            for (name, content) in [("first", Self.first), ("second", Self.second)] {
                try Files.replace("\(scenario.directory)/\(name)", with: content)
            }
            let sums = try scenario.shell("cmp -s first second || md5sum first second").text.split(separator: "\n")
            try #require(sums.count == 2 && sums[0].prefix(32) == sums[1].prefix(32), "\(sums)")
            #expect(sums[0].hasPrefix("79054025255fb1a26e4bc422aef54eb4"))
            #expect(MD5.digest(Self.first + Self.tail) == MD5.digest(Self.second + Self.tail))
        }
    }

    /// What docs/SECURITY.md says of a store that trusts ETags.
    @Test func aStoreThatTrustsETagsKeepsTheContentThatCameFirst() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            let contents = try ["a", "dir/b"].map { try scenario.succeed("cat", $0).stdout }
            #expect(contents[0] == contents[1] && [Self.first, Self.second].contains(contents[0]))
            #expect(try scenario.blobs.count == 3)
        }
    }

    private static func expectAll(_ scenario: Scenario, _ place: SourceLocation = #_sourceLocation) throws {
        for row in rows {
            let seen = try scenario.succeed("cat", row.key, "--version-id", row.versionId, sourceLocation: place)
                .stdout
            #expect(seen == row.content, "\(row.key) \(row.versionId)", sourceLocation: place)
        }
        let present = try scenario.succeed("versions", "--json", "twice").records.map { $0["present"] as? Bool }
        #expect(present == [true, true], sourceLocation: place)
    }

    private static let ownNames = Set(
        rows.map { row in
            let digest = Hex.encode(SHA256.digest(row.content))
            return "\(digest.prefix(2))/x-\(digest)-\(row.content.count)"
        })

    @Test(arguments: ["64M", "1M"])
    func everyVersionHasItsOwnContent(threshold: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed(
                "sync", "--distrust-etags", "--chunk-threshold", threshold, "--chunk-size", "1M")
            try Self.expectAll(scenario)
            #expect(Set(try scenario.blobs).count == Self.ownNames.count)
            for name in Self.ownNames { #expect(Files.exists("\(scenario.store)/blobs/\(name)")) }

            // The flag is remembered: what comes later is fetched on its own as well.
            var later = Self.rows
            later.append(Row("later/a", Self.second, versionId: "x1"))
            later.append(Row("later/b", Self.first, versionId: "x2"))
            try scenario.add(Self.names[1], later)
            try scenario.server.reset()
            let run = try scenario.succeed("sync", "--json").record
            #expect(run["fetched"] as? Int == 2 && run["wanted"] as? Int == 2)
            #expect(try scenario.succeed("cat", "later/a").stdout == Self.second)
            #expect(try scenario.succeed("cat", "later/b").stdout == Self.first)
            try scenario.succeed("verify")

            // In every view, mounted and exported.
            let mount = try scenario.mount("--history")
            let export = "\(scenario.directory)/export"
            try scenario.succeed("export", export)
            for row in later where row.isLatest {
                for place in ["\(mount)/latest", "\(mount)/at/\(Self.names[1])", export] {
                    #expect(try Files.read("\(place)/\(row.key)", limit: 1 << 24) == row.content, "\(place)/\(row.key)")
                }
            }
            #expect(try Files.read("\(mount)/at/2024-03-01T06:00:00Z/twice", limit: 1 << 24) == Self.first)
            for (version, content) in [
                ("2024-03-01T00:00:00Z_t1", Self.first), ("2024-03-01T12:00:00Z_t2", Self.second),
            ] {
                #expect(try Files.read("\(mount)/versions/twice/\(version)", limit: 1 << 24) == content)
            }
            scenario.unmount(mount)

            try scenario.succeed("reindex")
            try Self.expectAll(scenario)
            try scenario.succeed("verify")
            #expect(try scenario.succeed("sync", "--json").record["wanted"] as? Int == 0)
        }
    }

    @Test func aReplicaKeepsThemApart() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync", "--distrust-etags")
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            // What nobody names any more goes from the replica too, and nothing else.
            let kept = Self.rows.filter { $0.key == "a" || $0.key == "large/b" }
            for name in ["2024-06-01T01-00Z", "2024-07-01T01-00Z"] {
                try scenario.add(name, kept)
                try scenario.succeed("sync")
            }
            try scenario.push(place)
            let whole = try scenario.clone(place, "whole")
            for row in Self.rows {
                let seen = try scenario.run(["cat", row.key, "--version-id", row.versionId, "--store", whole])
                #expect(seen.stdout == row.content, "\(seen.stderr)")
                let read = try scenario.run(
                    ["cat", row.key, "--version-id", row.versionId, "--replica", place.url, "--cache"]
                        + ["\(scenario.directory)/cache"])
                #expect(read.stdout == row.content, "\(read.stderr)")
            }
            #expect(try scenario.run(["verify", "--store", whole]).status == 0)
            try scenario.succeed("prune", "--keep-within", "1d")
            try scenario.push(place)
            let rest = try scenario.clone(place, "rest")
            for row in kept {
                #expect(try scenario.run(["cat", row.key, "--store", rest]).stdout == row.content)
            }
            #expect(try scenario.run(["verify", "--store", rest]).status == 0)
        }
    }

    @Test func damageAndLossAreFoundAndHealed() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync", "--distrust-etags")
            let digest = Hex.encode(SHA256.digest(Self.second))
            let blob = "\(scenario.store)/blobs/\(digest.prefix(2))/x-\(digest)-128"
            // The very damage that an MD5 does not show.
            try Scenario.change(blob) { $0 = Self.first }
            let found = try scenario.run("verify", "--json")
            #expect(found.status == 1 && found.text.contains("x-\(digest)-128"), "\(found)")
            #expect(try scenario.run("verify", "--repair").status == 0)
            try Self.expectAll(scenario)
            try Files.remove(blob)
            let missing = try scenario.run("verify")
            #expect(missing.status == 3 && missing.text.contains("is no longer there"), "\(missing)")
            #expect(try scenario.run("verify", "--repair").status == 0)
            try Self.expectAll(scenario)
        }
    }

    @Test func aPruneKeepsTheOtherOfThePair() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync", "--distrust-etags")
            let kept = Self.rows.filter { $0.key == "a" || $0.key == "large/b" }
            // What an inventory no longer lists was there until it was taken.
            for name in ["2024-06-01T01-00Z", "2024-07-01T01-00Z"] {
                try scenario.add(name, kept)
                try scenario.succeed("sync")
            }
            let rehearsal = try scenario.succeed("prune", "--keep-within", "1d", "--dry-run", "--json").records
            let pruned = try scenario.succeed("prune", "--keep-within", "1d", "--json").records
            #expect(rehearsal.last?["bytes"] as? Int == pruned.last?["bytes"] as? Int)
            for row in kept { #expect(try scenario.succeed("cat", row.key).stdout == row.content) }
            #expect(try scenario.blobs.count == 2)
            try scenario.succeed("verify")
        }
    }

    /// A store that has trusted ETags, and does so no longer.
    @Test func aStoreCanStopTrusting() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync")
            let rehearsal = try scenario.succeed("sync", "--distrust-etags", "--dry-run", "--json").record
            #expect((rehearsal["wantedBytes"] as? Int ?? 0) > 2 * Self.tail.count)
            #expect(try scenario.succeed("status", "--json").records[0]["format"] as? Int == 3)
            // One of them cannot be had any more: it keeps what it had. The others get what is theirs.
            try Files.remove("\(scenario.server.directory)/data/\(Scenario.bucket)/.v/o1")
            try Files.remove("\(scenario.server.directory)/data/\(Scenario.bucket)/.c/other")
            let run = try scenario.run("sync", "--distrust-etags")
            #expect(run.status == 0, "\(run)")
            try Self.expectAll(scenario)
            #expect(try scenario.succeed("status", "--json").records[0]["format"] as? Int == 3)
            try scenario.succeed("verify")
            // What is gone is not asked for again and again.
            #expect(try scenario.succeed("sync", "--json").record["wanted"] as? Int == 0)
            try scenario.succeed("reindex")
            try Self.expectAll(scenario)
            try scenario.succeed("verify")
        }
    }

    @Test func whatIsReadFromAMountIsFetchedOnItsOwn() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.rows)
            try scenario.succeed("sync", "--distrust-etags", "--metadata-only")
            let mount = try scenario.mount()
            for row in Self.rows where row.isLatest {
                #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 24) == row.content, "\(row.key)")
            }
            scenario.unmount(mount)
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 5 })
            for name in try scenario.blobs { #expect(name.contains("/x-") || name.hasPrefix("x-"), "\(name)") }
        }
    }

    /// In a bucket without versions an object can be replaced by another one with the same ETag: a real server says then
    /// that nothing has changed, but for the time.
    @Test func anObjectReplacedUnderItsOwnETagIsNotTakenForTheOldOne() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "collisions-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket, versioned: false)
        try Scenario.use(server) { scenario in
            let folder = "\(scenario.directory)/inventories"
            try Files.createDirectory(folder)
            let old = try admin.put(bucket, "k", Self.first)
            func inventory(_ name: String) throws {
                var options = S3Admin.InventoryOptions()
                options.name = name
                options.currentOnly = true
                try admin.makeInventory(of: bucket, in: folder, options)
            }
            try inventory("2024-03-02T01-00Z")
            // More than the resolution of times.
            usleep(2_100_000)
            let new = try admin.put(bucket, "k", Self.second)
            try #require(old.etag == new.etag)
            try scenario.initialize(bucket, inventory: "file://\(folder)", "--distrust-etags")
            let run = try scenario.run("sync", "--json")
            #expect(run.status == 0, "\(run)")
            #expect(try run.record["gone"] as? Int == 1, "\(run)")
            #expect(try scenario.run("cat", "k").status == 1)
            try inventory("2024-03-03T01-00Z")
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "k").stdout == Self.second)
            #expect(try scenario.run("cat", "k", "--at", "2024-03-02T01-00Z").status == 1)
            try scenario.succeed("verify")
        }
    }
}
