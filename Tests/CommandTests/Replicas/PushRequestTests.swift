import Basics
import Foundation
import Testbed
import Testing

/// What a push and a clone ask of a server, and what they leave there.
@Suite struct PushRequestTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    /// A bucket of Ceph's gateway behind a proxy that writes down what is asked.
    static func proxied() throws -> (place: ReplicaPlace, proxy: ProxyServer, admin: S3Admin) {
        try proxied(RGWServer.shared())
    }

    private static func proxied(_ server: S3Server) throws -> (place: ReplicaPlace, proxy: ProxyServer, admin: S3Admin)
    {
        let admin = try S3Admin(server)
        let direct = try ReplicaPlace.bucket(server)
        let proxy = try ProxyServer(to: server)
        let place = ReplicaPlace(
            url: direct.url, flags: ["--endpoint-url", proxy.endpoint], environment: direct.environment, server: proxy)
        return (place, proxy, admin)
    }

    private static func isListing(_ request: String) -> Bool {
        request.hasPrefix("GET")
            && (request.contains("list-type=") || request.contains("?prefix=") || request.contains("uploads"))
    }

    @Test func nothingIsListedAndNothingIsAskedTwice() throws {
        try Scenario.withContents { scenario in
            let (place, proxy, _) = try Self.proxied()
            try scenario.push(place)
            #expect(try !proxy.log().contains(where: Self.isListing))

            try proxy.reset()
            try scenario.push(place)
            let again = try proxy.log()
            #expect(again.count < 10, "\(again)")

            try proxy.reset()
            try scenario.clone(place, "clone")
            let asked = try proxy.log()
            #expect(!asked.contains(where: Self.isListing), "\(asked)")
            #expect(!asked.contains { !$0.hasPrefix("GET ") }, "\(asked)")

            let new = (0..<20).map { number in
                InventoryFolder.Row("new/\(number)", bytes("new \(number)"), at: "2024-03-03T12:00:00.000Z")
            }
            try scenario.add("2024-03-04T01-00Z", scenario.rows + new)
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            try proxy.reset()
            try scenario.push(place)
            let day = try proxy.log()
            #expect(day.count >= 20 && day.count <= 20 + 20, "\(day)")
        }
    }

    /// A blob that is sent in parts, one of which the server refuses three times. It is never in memory.
    @Test func aPartThatFailsIsSentAgainAlone() throws {
        try Scenario.withContents(small: 3) { scenario in
            let object = SyntheticObject(name: "large", size: Self.isSoak ? 3 << 30 : 200 << 20, partSize: 8 << 20)
            let large = object.row {
                $0.lastModified = "2024-03-03T12:00:00.000Z"
            }
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [large])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let (place, proxy, admin) = try Self.proxied(Self.isSoak ? RGWServer() : RGWServer.shared())
            try proxy.fail("PUT", "partNumber=17&", count: 3)
            let (run, peak) = try scenario.measured(
                ["push", place.url, "--store", scenario.store] + place.flags, environment: place.environment,
                seconds: 600)
            #expect(run.status == 0, "\(run)")
            #expect(peak < 128 << 10, "\(peak) KiB")
            if Self.isSoak { print("a push of \(object.size) bytes, one part failing three times: \(peak) KiB") }
            let log = try proxy.log()
            let parts = Dictionary(
                grouping: log.compactMap { $0.firstMatch(of: /partNumber=([0-9]+)&/)?.1 }, by: { Int($0) ?? 0 })
            #expect(parts.count == Int(object.size / (8 << 20)))
            #expect(parts.allSatisfy { $0.value.count == ($0.key == 17 ? 4 : 1) }, "\(parts)")
            #expect(try admin.listUploads(place.bucketName).isEmpty)
            let clone = try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)
        }
    }

    /// The server has done what it was asked, but its answer does not arrive: what is asked again must not end the push,
    /// nor leave anything.
    @Test(arguments: ["RGW", "moto"]) func answersThatAreLostDoNoHarm(_ kind: String) throws {
        try Scenario.withContents(small: 3) { scenario in
            let large = InventoryFolder.Row(
                "large", RealBucket.content(seed: 9, count: 40 << 20), at: "2024-03-03T12:00:00.000Z")
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [large])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let (place, proxy, admin) = try Self.proxied(
                kind == "RGW" ? RGWServer.shared() : MotoServer.shared())
            for (method, part) in [
                ("PUT", "probe"), ("PUT", "blobs/"), ("POST", "?uploads"), ("PUT", "partNumber=2&"),
                ("POST", "?uploadId="), ("PUT", "index"), ("PUT", "metadata.json"), ("PUT", "latest.json"),
            ] { try proxy.lose(method, part, count: 1) }
            try scenario.push(place)
            let begun = try proxy.log().filter { $0.hasPrefix("POST") && $0.contains("uploads") }
            #expect(begun.count == 2, "\(begun)")
            try Self.expectNothingLeft(place, admin)
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
            // A later one, too.
            try scenario.add("2024-03-05T01-00Z", scenario.rows + [large])
            try scenario.succeed("sync", "--date", "2024-03-05T01-00Z")
            try proxy.lose("PUT", "latest.json", count: 1)
            try proxy.lose("PUT", "probe", count: 5)
            try scenario.push(place)
            try Self.expectNothingLeft(place, admin)
            try scenario.expectSame(try scenario.clone(place, "clone 2"), as: scenario.store)
        }
    }

    /// Ctrl-C in the middle of an upload in parts takes it back.
    @Test func whatIsStoppedLeavesNoUpload() throws {
        try Scenario.withContents(small: 3) { scenario in
            let large = InventoryFolder.Row(
                "large", RealBucket.content(seed: 10, count: 48 << 20), at: "2024-03-03T12:00:00.000Z")
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [large])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let (place, proxy, admin) = try Self.proxied()
            try proxy.fail("PUT", "partNumber=3", count: 1_000_000)
            let push = try scenario.start(
                ["push", place.url, "--store", scenario.store] + place.flags, environment: place.environment)
            let hasBegun = try Clock.wait(seconds: 60) { try proxy.log().contains { $0.contains("partNumber=3&") } }
            #expect(hasBegun)
            push.kill(SIGINT)
            let began = MonotonicClock.milliseconds()
            let run = try push.wait()
            #expect(run.status == 1 && run.stderr.contains("run the same command again"), "\(run)")
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(8000))
            #expect(try admin.listUploads(place.bucketName).isEmpty)
            try proxy.reset()
            try scenario.push(place)
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
        }
    }

    /// Killed after any request, a push leaves a replica that can be cloned or none, and the next one cleans up.
    @Test(arguments: [false, true]) func aPushCanBeKilledAtAnyRequest(isPacked: Bool) throws {
        let wanted = Self.isSoak ? 100 : 3
        try Scenario.withContents(small: 12) { scenario in
            // Larger contents than there are: what is new goes into packs, too.
            if isPacked { try scenario.succeed("pack", "--below", "64M") }
            var rows = scenario.rows
            rows.append(
                InventoryFolder.Row(
                    "large", RealBucket.content(seed: 11, count: 36 << 20), at: "2024-03-03T12:00:00.000Z"))
            var (kills, rounds) = (0, 0)
            while kills < wanted {
                // A bucket that has nothing yet, and then a day more before each push.
                let (place, proxy, admin) = try Self.proxied()
                try Files.removeAll("\(scenario.store)/replicas")
                for round in 0..<(Self.isSoak ? 20 : 4) where kills < wanted {
                    rounds += 1
                    let time = Timestamp(milliseconds: 1_709_600_400_000 + Int64(rounds) * 86_400_000).rfc3339
                    rows.append(
                        InventoryFolder.Row(
                            "round/\(rounds)", bytes("of round \(rounds)"), at: "2024-03-03T12:00:00.000Z"))
                    try scenario.add("\(time.prefix(10))T01-00Z", rows)
                    try scenario.succeed("sync")
                    try proxy.reset()
                    let push = try scenario.start(
                        ["push", place.url, "--store", scenario.store] + place.flags, environment: place.environment)
                    try proxy.kill(push.process, after: Int.random(in: 0..<(round < 3 ? 40 : 16)))
                    if try push.wait().status == 128 + SIGKILL { kills += 1 }
                    try proxy.reset()
                    try Self.expectSoundOrAbsent(place, scenario)
                }
                try scenario.push(place)
                try Self.expectNothingLeft(place, admin)
                let clone = try scenario.clone(place, "clone-\(rounds)")
                try PackedReplicaTests.expectSame(clone, as: scenario)
                try Files.removeAll(clone)
            }
            if Self.isSoak { print("pushes: \(rounds), of which \(kills) were killed") }
        }
    }

    private static func expectSoundOrAbsent(_ place: ReplicaPlace, _ scenario: Scenario) throws {
        let target = "\(scenario.directory)/clone"
        let clone = try scenario.run(["clone", place.url, target] + place.flags, environment: place.environment)
        if clone.status == 0 {
            let verify = try scenario.run(["verify", "--store", target])
            #expect(verify.status == 0, "\(verify)")
        } else {
            #expect(
                clone.stderr.contains("there is no replica") || clone.stderr.contains("is not complete"), "\(clone)")
        }
        try Files.removeAll(target)
    }

    /// Every object of the bucket is one that the newest snapshot, or one of those before it, has.
    static func expectNothingLeft(_ place: ReplicaPlace, _ admin: S3Admin) throws {
        let bucket = place.bucketName
        let prefix = "some/prefix/"
        #expect(try admin.listUploads(bucket).isEmpty)
        func document(_ path: String) throws -> [String: Any] {
            let json = try JSONSerialization.jsonObject(with: Data(try admin.get(bucket, prefix + path)))
            return try #require(json as? [String: Any])
        }
        let latest = try document("latest.json")
        let newest = try #require(latest["snapshot"] as? String)
        let metadata = try document("\(newest)/metadata.json")
        var directories = Set(try #require(metadata["history"] as? [String]) + [newest])
        directories.formUnion(["."])
        for version in try admin.listVersions(bucket) {
            let path = String(version.key.dropFirst(prefix.utf8.count))
            if path == "latest.json" || path == "icecore-replica.json" { continue }
            if ["blobs/", "packs/", "inventories/"].contains(where: { path.hasPrefix($0) }) { continue }
            #expect(directories.contains(Files.directory(of: path)), "\(path) is left over")
        }
        let blobs = try admin.listVersions(bucket, prefix: "\(prefix)blobs/").count
        #expect(metadata["blobs"] as? Int == blobs)
        let packs = try admin.listVersions(bucket, prefix: "\(prefix)packs/").count
        #expect((metadata["catalogue"] as? [String: Any])?["packs"] as? Int ?? 0 == packs)
    }

    /// Two stores with the same history, and each with a new day: one of them wins each time.
    @Test func ofTwoPushesAtOnceOneWins() throws {
        let rounds = Self.isSoak ? 50 : 3
        try Scenario.withContents(small: 5) { scenario in
            let place = try ReplicaPlace.bucket(MotoServer.shared())
            let other = "\(scenario.directory)/other"
            let copy = try scenario.shell("cp -a '\(scenario.store)' '\(other)'")
            #expect(copy.status == 0)
            var rows = scenario.rows
            var both = 0
            for round in 0..<rounds {
                let time = Timestamp(milliseconds: 1_709_600_400_000 + Int64(round) * 86_400_000).rfc3339
                let name = "\(time.prefix(10))T01-00Z"
                rows.append(
                    InventoryFolder.Row("round/\(round)", bytes("of round \(round)"), at: "2024-03-03T12:00:00.000Z"))
                try scenario.add(name, rows)
                for store in [scenario.store, other] {
                    let synced = try scenario.run(["sync", "--date", name, "--store", store])
                    #expect(synced.status == 0, "\(synced)")
                }
                let pushes = try [scenario.store, other].map {
                    try scenario.start(
                        ["push", place.url, "--store", $0] + place.flags, environment: place.environment)
                }
                let runs = try pushes.map { try $0.wait() }
                #expect(runs.contains { $0.status == 0 }, "\(runs)")
                for run in runs where run.status != 0 {
                    #expect(run.status == 1 && run.stderr.contains("faster"), "\(run)")
                }
                if runs.allSatisfy({ $0.status == 0 }) { both += 1 }
                let list = try scenario.run(
                    ["ls", "-R", "--json", "--replica", place.url, "--cache", "\(scenario.directory)/cache"]
                        + place.flags,
                    environment: place.environment)
                let here = try scenario.run(["ls", "-R", "--json", "--store", scenario.store])
                #expect(list.stdout == here.stdout, "\(list)")
            }
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
            if Self.isSoak { print("rounds of two pushes: \(rounds), of which both ended well: \(both)") }
        }
    }
}
