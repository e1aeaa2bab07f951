import Basics
import Foundation
import Testbed
import Testing

/// Several stores push to one replica, and are stopped at bad moments: nobody takes away what another counts on.
@Suite struct PushRaceTests {
    typealias Row = InventoryFolder.Row

    private static let day = "2024-03-04T01-00Z"

    /// A store, a copy of it, and a replica of both in a directory; then a day more, which both have synced.
    private static func use(_ body: (Scenario, _ copy: String, ReplicaPlace, _ new: Row) throws -> Void) throws {
        try Scenario.withContents(small: 6) { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let new = Row("new", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try scenario.add(day, scenario.rows + [new])
            try scenario.succeed("sync", "--date", day)
            let copy = try duplicate(scenario)
            try body(scenario, copy, place, new)
        }
    }

    private static func duplicate(_ scenario: Scenario, _ name: String = "copy") throws -> String {
        let copy = "\(scenario.directory)/\(name)"
        #expect(try scenario.shell("cp -a '\(scenario.store)' '\(copy)'").status == 0)
        return copy
    }

    private static func blob(_ row: Row, in place: ReplicaPlace) -> String {
        let etag = Hex.encode(MD5.digest(row.content))
        return "\(place.url.dropFirst(7))/blobs/\(etag.prefix(2))/\(etag)-\(row.content.count)"
    }

    /// Holds the lock that a push needs for its last step.
    private final class Hold {
        private let file: Int32

        init(_ place: ReplicaPlace) throws {
            file = open("\(place.url.dropFirst(7))/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            try #require(flock(file, LOCK_EX) == 0)
        }

        func release() { flock(file, LOCK_UN) }
        deinit { close(file) }
    }

    /// Starts a push, and waits until only its last step is left.
    private static func startPush(_ scenario: Scenario, _ place: ReplicaPlace, _ words: String...) throws
        -> RunningProgram
    {
        let root = "\(place.url.dropFirst(7))/snapshots"
        let before = try Files.names(in: root).count
        let push = try scenario.start(["push", place.url, "--store", scenario.store] + words)
        let isWaiting = try Clock.wait(seconds: 60) {
            let names = try Files.names(in: root)
            return try names.count > before
                && names.allSatisfy { try Files.names(in: "\(root)/\($0)").contains("metadata.json") }
        }
        #expect(isWaiting && !push.hasEnded)
        return push
    }

    /// Kills a push that has sent its blobs.
    private static func killPush(
        _ scenario: Scenario, _ place: ReplicaPlace, whileItWaits body: () throws -> Void = {}
    ) throws {
        let hold = try Hold(place)
        let push = try startPush(scenario, place)
        try body()
        push.kill(SIGKILL)
        _ = try push.wait()
        hold.release()
    }

    private static func expectWhole(_ scenario: Scenario, _ place: ReplicaPlace, as store: String? = nil) throws {
        let clone = try scenario.clone(place, "clone-\(UInt32.random(in: 0 ... .max))")
        try scenario.expectSame(clone, as: store ?? scenario.store)
    }

    @Test func whatWasSentAndThenRemovedByOthersIsSentAgain() throws {
        try Self.use { scenario, _, place, new in
            try Self.killPush(scenario, place)
            // As a push would that has dropped it meanwhile.
            try Files.remove(Self.blob(new, in: place))
            try scenario.push(place)
            try Self.expectWhole(scenario, place)
        }
    }

    @Test func aDamagedCopyTakesNothingFromOthers() throws {
        try Self.use { scenario, copy, place, new in
            try Self.killPush(scenario, place) {
                let path = scenario.blob(new).dropFirst(scenario.store.utf8.count)
                try Scenario.change(copy + path) { $0[0] ^= 1 }
            }
            let damaged = try scenario.push(place, store: copy, status: 1)
            #expect(damaged.stderr.contains("damaged"), "\(damaged)")
            #expect(Files.exists(Self.blob(new, in: place)))
            try scenario.push(place)
            try Self.expectWhole(scenario, place)
        }
    }

    /// A store may be copied while it pushes: what its records say is under way is not the copy's.
    @Test func aCopyOfAStoreDoesNotCleanUpAfterIt() throws {
        try Self.use { scenario, _, place, _ in
            let hold = try Hold(place)
            let push = try Self.startPush(scenario, place)
            let copy = try Self.duplicate(scenario, "second")
            let other = try scenario.start(["push", place.url, "--store", copy])
            let root = "\(place.url.dropFirst(7))/snapshots"
            #expect(try Clock.wait(seconds: 60) { try Files.names(in: root).count == 3 })
            hold.release()
            let runs = [try push.wait(), try other.wait()]
            #expect(runs.allSatisfy { $0.status == 0 }, "\(runs)")
            try Self.expectWhole(scenario, place)
            try scenario.push(place)
            try scenario.push(place, store: copy)
        }
    }

    /// The answer to the last step is lost, and before it is asked again somebody else has gone on from there.
    @Test func whoseLastAnswerIsLostLeavesWhatOthersHaveBuiltOn() throws {
        try Scenario.withContents(small: 6) { scenario in
            let server = try MotoServer.shared()
            let direct = try ReplicaPlace.bucket(server)
            let proxy = try ProxyServer(to: server)
            let place = ReplicaPlace(
                url: direct.url, flags: ["--endpoint-url", proxy.endpoint], environment: direct.environment,
                server: proxy)
            try scenario.push(direct)
            try scenario.add(Self.day, scenario.rows + [Row("a", bytes("a"), at: "2024-03-03T12:00:00.000Z")])
            try scenario.succeed("sync", "--date", Self.day)
            let copy = try Self.duplicate(scenario)
            let next = "2024-03-05T01-00Z"
            try scenario.add(next, scenario.rows + [Row("a", bytes("a"), at: "2024-03-03T12:00:00.000Z")])
            let synced = try scenario.run(["sync", "--date", next, "--store", copy])
            #expect(synced.status == 0, "\(synced)")

            try proxy.lose("PUT", "latest.json", count: 5)
            let push = try scenario.start(
                ["push", place.url, "--store", scenario.store] + place.flags, environment: place.environment)
            #expect(
                try Clock.wait(seconds: 60) { try proxy.log().contains { $0.contains("PUT") && $0.contains("latest") } }
            )
            let other = try scenario.push(direct, store: copy)
            let run = try push.wait()
            // What it had to add is there; what is there now is ahead of it.
            #expect(run.status == 0 || run.stderr.contains(next), "\(run) \(other)")
            let clone = try scenario.run(
                ["clone", direct.url, "\(scenario.directory)/clone"] + direct.flags, environment: direct.environment)
            #expect(clone.status == 0 && clone.stderr.isEmpty, "\(clone)")
            try scenario.expectSame("\(scenario.directory)/clone", as: copy)
        }
    }

    /// What is being deleted stays announced until it is known to be done.
    @Test func deletionsAreAnnouncedUntilTheyAreDone() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            func retired() throws -> [[String: Any]] {
                try #require(try place.documents().metadata["retired"] as? [[String: Any]] ?? [])
            }
            func isDeleting() throws -> Bool { try retired().contains { $0["deletingSince"] != nil } }
            try scenario.push(place)
            try scenario.succeed("prune", "--keep-last", "1")
            try scenario.push(place, "--prune")
            try scenario.push(place, "--prune", "--grace", "0h")
            #expect(try isDeleting())
            // Another store cannot know: it goes on saying so, or does it again.
            let copy = try Self.duplicate(scenario)
            try scenario.add("2024-03-05T01-00Z", scenario.rows)
            let synced = try scenario.run(["sync", "--date", "2024-03-05T01-00Z", "--store", copy])
            #expect(synced.status == 0, "\(synced)")
            try scenario.push(place, store: copy)
            #expect(try isDeleting())
            try scenario.push(place, "--prune", "--grace", "100h", store: copy)
            #expect(try isDeleting())
            // Who has done it all, does know.
            try scenario.add("2024-03-06T01-00Z", scenario.rows)
            #expect(try scenario.run(["sync", "--date", "2024-03-06T01-00Z", "--store", copy]).status == 0)
            try scenario.push(place, store: copy)
            #expect(try !isDeleting())
            try Self.expectWhole(scenario, place, as: copy)
        }
    }

    @Test func theRestOfAKilledPushGoes() throws {
        try Self.use { scenario, _, place, _ in
            let root = String(place.url.dropFirst(7))
            try Files.createDirectories("\(root)/tmp/push-00000000-0000-0000-0000-000000000000")
            try Files.replace("\(root)/tmp/push-00000000-0000-0000-0000-000000000000/1", with: bytes("left over"))
            try scenario.push(place)
            #expect(try StoreDigest.files("\(root)/tmp").isEmpty && Files.names(in: "\(root)/tmp").isEmpty)
        }
    }

    // MARK: - What a store has forgotten

    @Test func aStoreThatKnowsLessDoesNotReplaceWhatTheReplicaKnows() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let whole = try scenario.clone(place, "whole")
            // The disk has lost its blobs and the index, and the index is made again: it cannot know what is encrypted.
            try Files.removeAll("\(scenario.store)/blobs")
            try Files.createDirectory("\(scenario.store)/blobs")
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            let reindex = try scenario.run("reindex")
            try #require([0, 3].contains(reindex.status), "\(reindex)")
            for words in [["--prune"], []] {
                let run = try scenario.run(["push", place.url, "--store", scenario.store] + words)
                #expect(run.status == 1 && run.stderr.contains("--accept-missing"), "\(run)")
            }
            #expect(try scenario.run(["verify", "--store", scenario.clone(place, "clone")]).status == 0)
            // A person may insist; what has no name any more is not thrown away for that.
            for _ in 0..<2 {
                let run = try scenario.run(
                    ["push", place.url, "--store", scenario.store, "--accept-missing", "--prune", "--grace", "0h"])
                #expect(run.status == 3, "\(run)")
            }
            let secret = try scenario.row("secret")
            let file = scenario.blob(secret).dropFirst(scenario.store.utf8.count)
            #expect(Files.exists("\(place.url.dropFirst(7))\(file)"))
            // And nobody who knows more loses it by cloning.
            let clone = try scenario.run(["clone", place.url, whole])
            #expect(clone.status == 1 && clone.stderr.contains("that '\(whole)' has"), "\(clone)")
            #expect(try scenario.run(["cat", "secret", "--store", whole]).stdout == secret.content)
        }
    }

    @Test func aPrunedStoreIsNotFilledAgain() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            try scenario.succeed("prune", "--keep-last", "1")
            let clone = try scenario.run(["clone", place.url, scenario.store])
            #expect(clone.status == 1 && clone.stderr.contains("has been pruned"), "\(clone)")
        }
    }

    @Test func distrustOfETagsIsHandedOn() throws {
        try Scenario.withContents(small: 6) { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            let other = try Self.duplicate(scenario)
            let new = Row("new", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try scenario.add(Self.day, scenario.rows + [new])
            try scenario.succeed("sync", "--date", Self.day, "--distrust-etags")
            try scenario.push(place)
            #expect(
                try place.documents().metadata["configuration"].map { "\($0)" }?.contains("distrustETagsSince") == true)
            try scenario.clone(place, "clone")
            let configuration = String(
                decoding: try Files.read("\(clone)/icecore.json", limit: 1 << 20), as: UTF8.self)
            #expect(configuration.contains("distrustETagsSince"))
            // One that trusts them goes no further.
            let synced = try scenario.run(["sync", "--date", Self.day, "--store", other])
            #expect(synced.status == 0, "\(synced)")
            let push = try scenario.push(place, store: other, status: 1)
            #expect(push.stderr.contains("distrusted ETags since"), "\(push)")
            try scenario.expectSame(clone, as: scenario.store)
        }
    }
}
