import Basics
import Foundation
import Testbed
import Testing

/// A replica is read where it lies: with a cache of its index, and contents that are fetched when they are read.
@Suite struct ReplicaReadTests {
    private static func read(_ bench: Bench, _ place: ReplicaPlace, _ words: String...) throws -> Run {
        let run = try bench.run(
            words + ["--replica", place.url, "--cache", "\(bench.directory)/cache"] + place.flags,
            environment: place.environment)
        try #require(run.status == 0, "\(run)")
        return run
    }

    @Test(arguments: ["file", "moto"]) func commandsReadAReplicaAsTheyReadAStore(_ kind: String) throws {
        try VerifyBench.use { bench in
            let place = try PushTests.place(kind, bench.bench)
            try bench.bench.push(place)
            let words: [[String]] = [
                ["ls", "-R", "--json"], ["ls", "-R", "--json", "--at", VerifyBench.names[0]], ["snapshots", "--json"],
                ["versions", "--json", bench.rows[0].key], ["diff", "--json"] + VerifyBench.names,
            ]
            for command in words {
                let store = try bench.bench.run(command + ["--store", bench.store])
                let replica = try bench.bench.run(
                    command + ["--replica", place.url, "--cache", "\(bench.bench.directory)/cache"] + place.flags,
                    environment: place.environment)
                #expect(replica.status == 0 && replica.stdout == store.stdout, "\(replica)")
            }
            for row in bench.rows where row.isLatest && !row.isMarker {
                let content = try Self.read(bench.bench, place, "cat", row.key)
                #expect(content.stdout.isSame(as: row.content), "\(row.key)")
            }
            let offline = try bench.bench.run([
                "ls", "--replica", "file://\(bench.bench.directory)/nothing", "--cache",
                "\(bench.bench.directory)/cache",
            ])
            #expect(offline.status == 1 && offline.stderr.contains("there is no replica at"), "\(offline)")
        }
    }

    /// A replica that only a server of files has: what is asked of it is counted.
    private static func serve(_ bench: VerifyBench) throws -> (place: ReplicaPlace, FaultServer) {
        let local = ReplicaPlace.directory(bench.bench)
        try bench.bench.push(local)
        let server = try FaultServer()
        try publish(bench, server)
        return (
            ReplicaPlace(
                url: "s3://copies/r", flags: ["--endpoint-url", server.endpoint], environment: server.environment,
                server: server), server
        )
    }

    private static func publish(_ bench: VerifyBench, _ server: FaultServer) throws {
        let root = "\(bench.bench.directory)/replica"
        for path in try StoreDigest.files(root) where path != "lock" {
            try server.add(
                bucket: "copies", key: "r/\(path)", content: try Files.read("\(root)/\(path)", limit: 1 << 28))
        }
    }

    @Test func aMountFetchesOnlyWhatIsRead() throws {
        try VerifyBench.use { bench in
            let (place, server) = try Self.serve(bench)
            try server.reset()
            let point = "\(bench.bench.directory)/mnt"
            try bench.bench.mountReplica(place, point)
            let names = try bench.bench.shell("find '\(point)' | wc -l; ls -lR '\(point)' > listing")
            #expect(names.status == 0)
            func blobs() throws -> [String: Int] {
                try server.statistics().targets.filter { $0.key.contains("/blobs/") }
            }
            #expect(try blobs().isEmpty)
            let row = try bench.row("small/2/2")
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == row.content)
            #expect(try blobs().count == 1)
            let large = try bench.row("parted")
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            let secret = try bench.row("secret")
            #expect(try Files.read("\(point)/secret", limit: 1000) == secret.content)
            bench.bench.unmount(point)

            // Another one starts from the cache, and has what was read.
            try server.reset()
            let began = MonotonicClock.milliseconds()
            try bench.bench.mountReplica(place, point)
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(1000))
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            #expect(try server.statistics().targets.values.reduce(0, +) <= 2)
            bench.bench.unmount(point)

            // And without any network.
            try bench.bench.mountReplica(place, point, "--offline", environment: ["AWS_ENDPOINT_URL": ""])
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == row.content)
        }
    }

    /// A directory of ten thousand files, at a real object store: every request is written down.
    @Test func aLargeDirectoryCostsNoContents() throws {
        try SyncBench.use { sync in
            let bench = sync.bench
            func rows(_ count: Int) -> [InventoryFolder.Row] {
                // Not as many contents as keys: what is counted is that none is asked for.
                (0..<count).map { InventoryFolder.Row("many/\($0)", bytes("content \($0 % 100)")) }
            }
            try sync.add("2024-03-02T01-00Z", rows(10_000))
            try bench.succeed("sync")
            let (place, proxy, _) = try PushRequestTests.proxied()
            try bench.push(place)
            func blobs() throws -> [String] { try proxy.log().filter { $0.contains("/blobs/") } }
            let point = "\(bench.directory)/mnt"
            func expectListed(_ count: Int) throws {
                let run = try bench.shell("ls '\(point)/many' | wc -l; find '\(point)' -type f -size -20c | wc -l")
                #expect(run.text.split(separator: "\n").map { $0.trimmingPrefix(" ") } == ["\(count)", "\(count)"])
                #expect(try bench.shell("ls -lR '\(point)' > listing").status == 0)
            }

            try proxy.reset()
            try bench.mountReplica(place, point)
            try expectListed(10_000)
            #expect(try blobs().isEmpty)
            #expect(try Files.read("\(point)/many/4711", limit: 100) == bytes("content 11"))
            #expect(try blobs().count == 1)
            bench.unmount(point)

            try proxy.reset()
            let began = MonotonicClock.milliseconds()
            try bench.mountReplica(place, point, "--refresh", "1")
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(1000))
            #expect(try proxy.log().count <= 2)
            try expectListed(10_000)
            #expect(try blobs().isEmpty)

            // While it is mounted, a day more is pushed.
            try sync.add("2024-03-03T01-00Z", rows(10_001))
            try bench.succeed("sync")
            try bench.push(place)
            try proxy.reset()
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/many/10000") })
            try expectListed(10_001)
            #expect(try blobs().isEmpty)
        }
    }

    @Test func aMountFollowsNewPushes() throws {
        try VerifyBench.use { bench in
            let (place, server) = try Self.serve(bench)
            let point = "\(bench.bench.directory)/mnt"
            try bench.bench.mountReplica(place, point, "--refresh", "1")
            #expect(!Files.exists("\(point)/new"))

            let name = "2024-03-04T01-00Z"
            let new = VerifyBench.Row("new", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try bench.sync.add(name, bench.rows + [new])
            try bench.bench.succeed("sync", "--date", name)
            try bench.bench.push(.directory(bench.bench))
            try Self.publish(bench, server)
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/new") })
            #expect(try Files.read("\(point)/new", limit: 1000) == new.content)
        }
    }

    /// A command that reads one content leaves no more than that behind either.
    @Test func catKeepsToTheSizeOfTheCache() throws {
        try VerifyBench.use { bench in
            let (place, _) = try Self.serve(bench)
            let content = try Self.read(bench.bench, place, "cat", "parted", "--cache-size", "1M")
            #expect(content.stdout.isSame(as: try bench.row("parted").content))
            let cache = "\(bench.bench.directory)/cache"
            let size = try StoreDigest.files(cache).filter { $0.contains("/blobs/") || $0.contains("/tmp/") }
                .reduce(0) { $0 + (Files.size("\(cache)/\($1)") ?? 0) }
            #expect(size <= 1 << 20, "\(size)")
        }
    }

    @Test func theCacheKeepsToItsSize() throws {
        try VerifyBench.use { bench in
            let (place, _) = try Self.serve(bench)
            let point = "\(bench.bench.directory)/mnt"
            try bench.bench.mountReplica(place, point, "--refresh", "1", "--cache-size", "1M")
            let large = try bench.row("parted")
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            func size() throws -> Int64 {
                try StoreDigest.files("\(bench.bench.directory)/cache").reduce(0) { sum, path in
                    path.contains("/blobs/") || path.contains("/tmp/")
                        ? sum + (Files.size("\(bench.bench.directory)/cache/\(path)") ?? 0) : sum
                }
            }
            #expect(try Clock.wait(seconds: 60) { try size() <= 1 << 20 })
            // What was removed is fetched again.
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
        }
    }
}

extension Bench {
    func mountReplica(
        _ place: ReplicaPlace, _ point: String, _ words: String..., environment: [String: String] = [:]
    ) throws {
        try Files.createDirectory(point)
        noteMount(point)
        let run = try run(
            ["mount", point, "--replica", place.url, "--cache", "\(directory)/cache"] + place.flags + words,
            environment: place.environment.merging(environment) { $1 })
        try #require(run.status == 0, "\(run)")
    }
}
