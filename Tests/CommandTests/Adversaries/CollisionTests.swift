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
        try Bench.use { bench in
            for (name, content) in [("first", Self.first), ("second", Self.second)] {
                try Files.replace("\(bench.directory)/\(name)", with: content)
            }
            let sums = try bench.shell("cmp -s first second || md5sum first second").text.split(separator: "\n")
            try #require(sums.count == 2 && sums[0].prefix(32) == sums[1].prefix(32), "\(sums)")
            #expect(sums[0].hasPrefix("79054025255fb1a26e4bc422aef54eb4"))
            #expect(MD5.digest(Self.first + Self.tail) == MD5.digest(Self.second + Self.tail))
        }
    }

    /// What docs/SECURITY.md says of a store that trusts ETags.
    @Test func aStoreThatTrustsETagsKeepsTheContentThatCameFirst() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync")
            let contents = try ["a", "dir/b"].map { try sync.bench.succeed("cat", $0).stdout }
            #expect(contents[0] == contents[1] && [Self.first, Self.second].contains(contents[0]))
            #expect(try sync.blobs.count == 3)
        }
    }

    private static func expectAll(_ sync: SyncBench, _ place: SourceLocation = #_sourceLocation) throws {
        for row in rows {
            let seen = try sync.bench.succeed("cat", row.key, "--version-id", row.versionId, sourceLocation: place)
                .stdout
            #expect(seen == row.content, "\(row.key) \(row.versionId)", sourceLocation: place)
        }
        let present = try sync.bench.succeed("versions", "--json", "twice").records.map { $0["present"] as? Bool }
        #expect(present == [true, true], sourceLocation: place)
    }

    private static let ownNames = Set(
        rows.map { row in
            let digest = Hex.encode(SHA256.digest(row.content))
            return "\(digest.prefix(2))/x-\(digest)-\(row.content.count)"
        })

    @Test(arguments: ["64M", "1M"])
    func everyVersionHasItsOwnContent(threshold: String) throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed(
                "sync", "--distrust-etags", "--chunk-threshold", threshold, "--chunk-size", "1M")
            try Self.expectAll(sync)
            #expect(Set(try sync.blobs).count == Self.ownNames.count)
            for name in Self.ownNames { #expect(Files.exists("\(sync.bench.store)/blobs/\(name)")) }

            // The flag is remembered: what comes later is fetched on its own as well.
            var later = Self.rows
            later.append(Row("later/a", Self.second, versionId: "x1"))
            later.append(Row("later/b", Self.first, versionId: "x2"))
            try sync.add(Self.names[1], later)
            try sync.server.reset()
            let run = try sync.bench.succeed("sync", "--json").record
            #expect(run["fetched"] as? Int == 2 && run["wanted"] as? Int == 2)
            #expect(try sync.bench.succeed("cat", "later/a").stdout == Self.second)
            #expect(try sync.bench.succeed("cat", "later/b").stdout == Self.first)
            try sync.bench.succeed("verify")

            // In every view, mounted and exported.
            let mount = try sync.bench.mount("--history")
            let export = "\(sync.bench.directory)/export"
            try sync.bench.succeed("export", export)
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
            sync.bench.unmount(mount)

            try sync.bench.succeed("reindex")
            try Self.expectAll(sync)
            try sync.bench.succeed("verify")
            #expect(try sync.bench.succeed("sync", "--json").record["wanted"] as? Int == 0)
        }
    }

    @Test func aReplicaKeepsThemApart() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync", "--distrust-etags")
            let place = ReplicaPlace.directory(sync.bench)
            try sync.bench.push(place)
            // What nobody names any more goes from the replica too, and nothing else.
            let kept = Self.rows.filter { $0.key == "a" || $0.key == "large/b" }
            for name in ["2024-06-01T01-00Z", "2024-07-01T01-00Z"] {
                try sync.add(name, kept)
                try sync.bench.succeed("sync")
            }
            try sync.bench.push(place)
            let whole = try sync.bench.clone(place, "whole")
            for row in Self.rows {
                let seen = try sync.bench.run(["cat", row.key, "--version-id", row.versionId, "--store", whole])
                #expect(seen.stdout == row.content, "\(seen.stderr)")
                let read = try sync.bench.run(
                    ["cat", row.key, "--version-id", row.versionId, "--replica", place.url, "--cache"]
                        + ["\(sync.bench.directory)/cache"])
                #expect(read.stdout == row.content, "\(read.stderr)")
            }
            #expect(try sync.bench.run(["verify", "--store", whole]).status == 0)
            try sync.bench.succeed("prune", "--keep-within", "1d")
            try sync.bench.push(place)
            let rest = try sync.bench.clone(place, "rest")
            for row in kept {
                #expect(try sync.bench.run(["cat", row.key, "--store", rest]).stdout == row.content)
            }
            #expect(try sync.bench.run(["verify", "--store", rest]).status == 0)
        }
    }

    @Test func damageAndLossAreFoundAndHealed() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync", "--distrust-etags")
            let digest = Hex.encode(SHA256.digest(Self.second))
            let blob = "\(sync.bench.store)/blobs/\(digest.prefix(2))/x-\(digest)-128"
            // The very damage that an MD5 does not show.
            try VerifyBench.change(blob) { $0 = Self.first }
            let found = try sync.bench.run("verify", "--json")
            #expect(found.status == 1 && found.text.contains("x-\(digest)-128"), "\(found)")
            #expect(try sync.bench.run("verify", "--repair").status == 0)
            try Self.expectAll(sync)
            try Files.remove(blob)
            let missing = try sync.bench.run("verify")
            #expect(missing.status == 3 && missing.text.contains("is not there"), "\(missing)")
            #expect(try sync.bench.run("verify", "--repair").status == 0)
            try Self.expectAll(sync)
        }
    }

    @Test func aPruneKeepsTheOtherOfThePair() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync", "--distrust-etags")
            let kept = Self.rows.filter { $0.key == "a" || $0.key == "large/b" }
            // What an inventory no longer lists was there until it was taken.
            for name in ["2024-06-01T01-00Z", "2024-07-01T01-00Z"] {
                try sync.add(name, kept)
                try sync.bench.succeed("sync")
            }
            let rehearsal = try sync.bench.succeed("prune", "--keep-within", "1d", "--dry-run", "--json").records
            let pruned = try sync.bench.succeed("prune", "--keep-within", "1d", "--json").records
            #expect(rehearsal.last?["bytes"] as? Int == pruned.last?["bytes"] as? Int)
            for row in kept { #expect(try sync.bench.succeed("cat", row.key).stdout == row.content) }
            #expect(try sync.blobs.count == 2)
            try sync.bench.succeed("verify")
        }
    }

    /// A store that has trusted ETags, and does so no longer.
    @Test func aStoreCanStopTrusting() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync")
            let rehearsal = try sync.bench.succeed("sync", "--distrust-etags", "--dry-run", "--json").record
            #expect((rehearsal["wantedBytes"] as? Int ?? 0) > 2 * Self.tail.count)
            #expect(try sync.bench.succeed("status", "--json").records[0]["format"] as? Int == 1)
            // One of them cannot be had any more: it keeps what it had. The others get what is theirs.
            try Files.remove("\(sync.server.directory)/data/\(SyncBench.bucket)/.v/o1")
            try Files.remove("\(sync.server.directory)/data/\(SyncBench.bucket)/.c/other")
            let run = try sync.bench.run("sync", "--distrust-etags")
            #expect(run.status == 0, "\(run)")
            try Self.expectAll(sync)
            #expect(try sync.bench.succeed("status", "--json").records[0]["format"] as? Int == 2)
            try sync.bench.succeed("verify")
            // What is gone is not asked for again and again.
            #expect(try sync.bench.succeed("sync", "--json").record["wanted"] as? Int == 0)
            try sync.bench.succeed("reindex")
            try Self.expectAll(sync)
            try sync.bench.succeed("verify")
        }
    }

    @Test func whatIsReadFromAMountIsFetchedOnItsOwn() throws {
        try SyncBench.use { sync in
            try sync.add(Self.names[0], Self.rows)
            try sync.bench.succeed("sync", "--distrust-etags", "--metadata-only")
            let mount = try sync.bench.mount()
            for row in Self.rows where row.isLatest {
                #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 24) == row.content, "\(row.key)")
            }
            sync.bench.unmount(mount)
            #expect(try Clock.wait(seconds: 60) { try sync.blobs.count == 5 })
            for name in try sync.blobs { #expect(name.contains("/x-") || name.hasPrefix("x-"), "\(name)") }
        }
    }

    /// In a bucket without versions an object can be replaced by another one with the same ETag: a real server says then
    /// that nothing has changed, but for the time.
    @Test func anObjectReplacedUnderItsOwnETagIsNotTakenForTheOldOne() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "collisions-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket, versioned: false)
        try Bench.use(server) { bench in
            let folder = "\(bench.directory)/inventories"
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
            try bench.initialize(bucket, inventory: "file://\(folder)", "--distrust-etags")
            let run = try bench.run("sync", "--json")
            #expect(run.status == 0, "\(run)")
            #expect(try run.record["gone"] as? Int == 1, "\(run)")
            #expect(try bench.run("cat", "k").status == 1)
            try inventory("2024-03-03T01-00Z")
            try bench.succeed("sync")
            #expect(try bench.succeed("cat", "k").stdout == Self.second)
            #expect(try bench.run("cat", "k", "--at", "2024-03-02T01-00Z").status == 1)
            try bench.succeed("verify")
        }
    }
}
