import Basics
import Foundation
import Testbed
import Testing

/// A replica is read where it lies: with a cache of its index, and contents that are fetched when they are read.
@Suite struct ReplicaReadTests {
    private static func read(_ scenario: Scenario, _ place: ReplicaPlace, _ words: String...) throws -> Run {
        let run = try scenario.run(
            words + ["--replica", place.url, "--cache", "\(scenario.directory)/cache"] + place.flags,
            environment: place.environment)
        try #require(run.status == 0, "\(run)")
        return run
    }

    @Test(arguments: ["file", "moto"]) func commandsReadAReplicaAsTheyReadAStore(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.push(place)
            let words: [[String]] = [
                ["ls", "-R", "--json"], ["ls", "-R", "--json", "--at", Scenario.inventoryNames[0]],
                ["snapshots", "--json"],
                ["versions", "--json", scenario.rows[0].key], ["diff", "--json"] + Scenario.inventoryNames,
            ]
            for command in words {
                let store = try scenario.run(command + ["--store", scenario.store])
                let replica = try scenario.run(
                    command + ["--replica", place.url, "--cache", "\(scenario.directory)/cache"] + place.flags,
                    environment: place.environment)
                #expect(replica.status == 0 && replica.stdout == store.stdout, "\(replica)")
            }
            for row in scenario.rows where row.isLatest && !row.isMarker {
                let content = try Self.read(scenario, place, "cat", row.key)
                #expect(content.stdout.isSame(as: row.content), "\(row.key)")
            }
            let offline = try scenario.run([
                "ls", "--replica", "file://\(scenario.directory)/nothing", "--cache",
                "\(scenario.directory)/cache",
            ])
            #expect(offline.status == 1 && offline.stderr.contains("there is no replica at"), "\(offline)")
        }
    }

    @Test func twoServersHaveTwoCaches() throws {
        try Scenario.withContents { scenario in
            let (place, server) = try Self.serve(scenario)
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace(
                "\(scenario.directory)/.aws/config",
                with: bytes(
                    """
                    [profile first]
                    endpoint_url = \(server.endpoint)
                    aws_access_key_id = key
                    aws_secret_access_key = secret
                    [profile second]
                    endpoint_url = http://127.0.0.1:9
                    aws_access_key_id = key
                    aws_secret_access_key = secret
                    [profile third]
                    endpoint_url = \(server.endpoint)
                    aws_access_key_id = key
                    aws_secret_access_key = secret

                    """))
            scenario.environment["AWS_ENDPOINT_URL"] = nil
            let cache = "\(scenario.directory)/cache"
            func list(_ words: [String], _ environment: [String: String] = [:]) throws -> Run {
                try scenario.run(
                    words + ["--replica", place.url, "--cache", cache], environment: environment)
            }
            func offline(_ words: String..., environment: [String: String] = [:]) throws -> Run {
                let point = "\(scenario.directory)/mnt-\(UInt32.random(in: 0 ... .max))"
                try Files.createDirectory(point)
                scenario.noteMount(point)
                defer { scenario.unmount(point) }
                return try list(["mount", point, "--offline"] + words, environment)
            }
            let first = try list(["ls", "--profile", "first"])
            #expect(first.status == 0, "\(first)")
            #expect(try offline("--profile", "first").status == 0)
            // Nothing of that is anybody else's: of another server, of another account, of Amazon, of another region there.
            for words in [
                ["--profile", "second"], ["--profile", "third"], [], ["--region", "eu-west-1"],
                ["--endpoint-url", "http://127.0.0.1:9"],
            ] {
                let point = "\(scenario.directory)/none"
                if !Files.exists(point) { try Files.createDirectory(point) }
                let run = try list(["mount", point, "--offline"] + words)
                scenario.noteMount(point)
                #expect(run.status == 1 && run.stderr.contains("has nothing of"), "\(run)")
                scenario.unmount(point)
            }
            let named = try offline(environment: ["AWS_PROFILE": "first"])
            #expect(named.status == 0, "\(named)")
        }
    }

    /// A replica that only a server of files has: what is asked of it is counted.
    private static func serve(_ scenario: Scenario) throws -> (place: ReplicaPlace, FaultServer) {
        let local = ReplicaPlace.directory(scenario)
        try scenario.push(local)
        let server = try FaultServer()
        try publish(scenario, server)
        return (
            ReplicaPlace(
                url: "s3://copies/r", flags: ["--endpoint-url", server.endpoint], environment: server.environment,
                server: server), server
        )
    }

    private static func publish(_ scenario: Scenario, _ server: FaultServer) throws {
        let root = "\(scenario.directory)/replica"
        for path in try StoreDigest.files(root) where path != "lock" {
            try server.add(
                bucket: "copies", key: "r/\(path)", content: try Files.read("\(root)/\(path)", limit: 1 << 28))
        }
    }

    @Test func aMountFetchesOnlyWhatIsRead() throws {
        try Scenario.withContents { scenario in
            let (place, server) = try Self.serve(scenario)
            try server.reset()
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point)
            let names = try scenario.shell("find '\(point)' | wc -l; ls -lR '\(point)' > listing")
            #expect(names.status == 0)
            func blobs() throws -> [String: Int] {
                try server.statistics().targets.filter { $0.key.contains("/blobs/") }
            }
            #expect(try blobs().isEmpty)
            let row = try scenario.row("small/2/2")
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == row.content)
            #expect(try blobs().count == 1)
            let large = try scenario.row("parted")
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            let secret = try scenario.row("secret")
            #expect(try Files.read("\(point)/secret", limit: 1000) == secret.content)
            scenario.unmount(point)

            // Another one starts from the cache, and has what was read.
            try server.reset()
            let began = MonotonicClock.milliseconds()
            try scenario.mountReplica(place, point)
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(1000))
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            #expect(try server.statistics().targets.values.reduce(0, +) <= 2)
            scenario.unmount(point)

            // And without any network.
            try scenario.mountReplica(place, point, "--offline", environment: ["AWS_ENDPOINT_URL": ""])
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == row.content)
        }
    }

    /// A directory of ten thousand files, at a real object store: every request is written down.
    @Test func aLargeDirectoryCostsNoContents() throws {
        try Scenario.withBucket { scenario in
            func rows(_ count: Int) -> [InventoryFolder.Row] {
                // Not as many contents as keys: what is counted is that none is asked for.
                (0..<count).map { InventoryFolder.Row("many/\($0)", bytes("content \($0 % 100)")) }
            }
            try scenario.add("2024-03-02T01-00Z", rows(10_000))
            try scenario.succeed("sync")
            let (place, proxy, _) = try PushRequestTests.proxied()
            try scenario.push(place)
            func blobs() throws -> [String] { try proxy.log().filter { $0.contains("/blobs/") } }
            let point = "\(scenario.directory)/mnt"
            func expectListed(_ count: Int) throws {
                let run = try scenario.shell("ls '\(point)/many' | wc -l; find '\(point)' -type f -size -20c | wc -l")
                #expect(run.text.split(separator: "\n").map { $0.trimmingPrefix(" ") } == ["\(count)", "\(count)"])
                #expect(try scenario.shell("ls -lR '\(point)' > listing").status == 0)
            }

            try proxy.reset()
            try scenario.mountReplica(place, point)
            try expectListed(10_000)
            #expect(try blobs().isEmpty)
            #expect(try Files.read("\(point)/many/4711", limit: 100) == bytes("content 11"))
            #expect(try blobs().count == 1)
            scenario.unmount(point)

            try proxy.reset()
            let began = MonotonicClock.milliseconds()
            try scenario.mountReplica(place, point, "--refresh", "1")
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(1000))
            #expect(try proxy.log().count <= 2)
            try expectListed(10_000)
            #expect(try blobs().isEmpty)

            // While it is mounted, a day more is pushed.
            try scenario.add("2024-03-03T01-00Z", rows(10_001))
            try scenario.succeed("sync")
            try scenario.push(place)
            try proxy.reset()
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/many/10000") })
            try expectListed(10_001)
            #expect(try blobs().isEmpty)
        }
    }

    @Test func aMountFollowsNewPushes() throws {
        try Scenario.withContents { scenario in
            let (place, server) = try Self.serve(scenario)
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--refresh", "1")
            #expect(!Files.exists("\(point)/new"))

            let name = "2024-03-04T01-00Z"
            let new = InventoryFolder.Row("new", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try scenario.add(name, scenario.rows + [new])
            try scenario.succeed("sync", "--date", name)
            try scenario.push(.directory(scenario))
            try Self.publish(scenario, server)
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/new") })
            #expect(try Files.read("\(point)/new", limit: 1000) == new.content)
        }
    }

    @Test func aMountMakesACacheAgainThatSomebodyHasRemoved() throws {
        try Scenario.withContents { scenario in
            let (place, server) = try Self.serve(scenario)
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--refresh", "1")
            #expect(try Files.read("\(point)/small/2/2", limit: 1000) == scenario.row("small/2/2").content)
            try Files.removeAll("\(scenario.directory)/cache")
            // What was read, what was not, and what arrives in pieces.
            for key in ["small/2/2", "small/2/5", "parted", "secret"] {
                #expect(
                    try Files.read("\(point)/\(key)", limit: 1 << 28).isSame(as: scenario.row(key).content), "\(key)")
            }
            let isWhole = try Clock.wait(seconds: 60) {
                try StoreDigest.files("\(scenario.directory)/cache").contains { $0.hasSuffix("current.json") }
            }
            #expect(isWhole)
            // It follows the replica as before.
            let name = "2024-03-04T01-00Z"
            let new = InventoryFolder.Row("new", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try scenario.add(name, scenario.rows + [new])
            try scenario.succeed("sync", "--date", name)
            try scenario.push(.directory(scenario))
            try Self.publish(scenario, server)
            #expect(Clock.wait(seconds: 60) { Files.exists("\(point)/new") })
            #expect(try Files.read("\(point)/new", limit: 1000) == new.content)
            #expect(try Files.read("\(point)/small/1/4", limit: 1000) == scenario.row("small/1/4").content)
        }
    }

    /// A command that reads one content leaves no more than that behind either.
    @Test func catKeepsToTheSizeOfTheCache() throws {
        try Scenario.withContents { scenario in
            let (place, _) = try Self.serve(scenario)
            let content = try Self.read(scenario, place, "cat", "parted", "--cache-size", "1M")
            #expect(content.stdout.isSame(as: try scenario.row("parted").content))
            let cache = "\(scenario.directory)/cache"
            let size = try StoreDigest.files(cache).filter { $0.contains("/blobs/") || $0.contains("/tmp/") }
                .reduce(0) { $0 + (Files.size("\(cache)/\($1)") ?? 0) }
            #expect(size <= 1 << 20, "\(size)")
        }
    }

    @Test func theCacheKeepsToItsSize() throws {
        try Scenario.withContents { scenario in
            let (place, _) = try Self.serve(scenario)
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--refresh", "1", "--cache-size", "1M")
            let large = try scenario.row("parted")
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
            func size() throws -> Int64 {
                try StoreDigest.files("\(scenario.directory)/cache").reduce(0) { sum, path in
                    path.contains("/blobs/") || path.contains("/tmp/")
                        ? sum + (Files.size("\(scenario.directory)/cache/\(path)") ?? 0) : sum
                }
            }
            #expect(try Clock.wait(seconds: 60) { try size() <= 1 << 20 })
            // What was removed is fetched again.
            #expect(try Files.read("\(point)/parted", limit: 1 << 28).isSame(as: large.content))
        }
    }
}

extension Scenario {
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
