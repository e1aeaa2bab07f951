import Basics
import Foundation
import Testbed
import Testing

/// Buckets without an inventory: what a sync lists is what the server has.
@Suite struct ListedBucketTests {
    /// What a version is by what the bucket says, and by what the store says.
    private struct Known: Hashable {
        var id: String
        var size: Int64
        var etag: String
        var isMarker: Bool
        var isLatest: Bool
    }

    private static func truth(_ admin: S3Admin, _ bucket: String) throws -> [String: Set<Known>] {
        var truth: [String: Set<Known>] = [:]
        for version in try admin.listVersions(bucket) {
            truth[version.key, default: []].insert(
                Known(
                    id: version.versionId, size: version.size ?? 0,
                    etag: version.deleteMarker ? "" : version.etag.replacing("\"", with: ""),
                    isMarker: version.deleteMarker, isLatest: version.isLatest))
        }
        return truth
    }

    private static func known(_ scenario: Scenario, _ key: String) throws -> Set<Known> {
        Set(
            try scenario.succeed("versions", "--json", key).records.map { record in
                Known(
                    id: record["versionId"] as? String ?? "", size: (record["size"] as? NSNumber)?.int64Value ?? 0,
                    etag: record["etag"] as? String ?? "", isMarker: record["deleteMarker"] as? Bool ?? false,
                    isLatest: record["isLatest"] as? Bool ?? false)
            })
    }

    private static func expectTruth(_ scenario: Scenario, _ admin: S3Admin, _ bucket: String) throws {
        let truth = try truth(admin, bucket)
        let shown = Set(try scenario.succeed("ls", "-R", "--json").records.compactMap { $0["key"] as? String })
        let latest = truth.filter { $0.value.contains { $0.isLatest && !$0.isMarker } }
        #expect(shown == Set(latest.keys))
        for (key, versions) in truth { #expect(try known(scenario, key) == versions, "\(key)") }
    }

    @Test(arguments: ["RGW", "moto"])
    func aListedBucketIsWhatTheServerHas(_ kind: String) throws {
        let server: S3Server = kind == "RGW" ? try RGWServer.shared() : try MotoServer.shared()
        try Scenario.use(server) { scenario in
            let admin = try S3Admin(server)
            let bucket = "listed-\(UInt32.random(in: 0 ... .max))"
            try admin.createBucket(bucket, versioned: false)
            // Put before the bucket had versions: its id is "null".
            try admin.put(bucket, "null version", bytes("null"))
            try admin.setVersioning(bucket, "Enabled")
            try admin.put(bucket, LostBucket.objects(40, isStrict: kind == "moto"))
            try admin.put(bucket, "null version", bytes("newer"))
            for number in 0..<5 { try admin.put(bucket, "often", bytes("content \(number)")) }
            try admin.delete(bucket, "plain/1/1")
            let initialize = try scenario.run(["init", scenario.store, "--bucket", "s3://\(bucket)", "--list"])
            #expect(initialize.status == 0 && initialize.stderr.contains("each sync lists the bucket"), "\(initialize)")
            let run = try scenario.succeed("sync")
            #expect(run.text.contains("listed "), "\(run)")
            try Self.expectTruth(scenario, admin, bucket)
            try scenario.succeed("verify")
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)

            try admin.delete(bucket, "often")
            try admin.put(bucket, "plain/1/1", bytes("is back"))
            try admin.put(bucket, "new", bytes("new"))
            try scenario.succeed("sync")
            try Self.expectTruth(scenario, admin, bucket)
            let names = try scenario.succeed("snapshots", "--json").records.compactMap { $0["name"] as? String }
            #expect(names.count == 2 && names.allSatisfy { $0.count == 20 }, "\(names)")

            // A listing is kept, and an index can be made from it.
            let views = try names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).text }
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            try scenario.succeed("reindex")
            #expect(try names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).text } == views)
            try scenario.succeed("verify")
        }
    }

    // MARK: - Servers with quirks

    private static let quirks: [String: [String: any Sendable]] = [
        "none": [:], "small pages": ["pageSize": 7], "inclusive markers": ["pageSize": 7, "inclusive": true],
        "oldest first": ["pageSize": 7, "oldestFirst": true], "keys as they are": ["pageSize": 7, "plain": true],
        "markers apart": ["pageSize": 7, "separate": true],
        "inclusive, oldest first, plain": [
            "pageSize": 3, "inclusive": true, "oldestFirst": true, "plain": true,
        ],
        "busy": ["pageSize": 7, "unavailable": 0.1],
    ]

    /// Keys with one to nine versions, delete markers, ties of time, and odd characters.
    private static func versions() -> [S3Admin.ServedVersion] {
        var versions: [S3Admin.ServedVersion] = []
        for number in 0..<160 {
            let key =
                number < LostBucket.oddKeys.count
                ? LostBucket.oddKeys[number] : "d\(number % 5)/é\(number % 3)/\(number)"
            let count = number % 17 == 0 ? 9 : 1 + number % 3
            for age in 0..<count {
                let isMarker = (number + age) % 7 == 3
                versions.append(
                    S3Admin.ServedVersion(
                        key: key, versionId: number % 23 == 5 && age == count - 1 ? "null" : "v\(number)x\(age)",
                        isLatest: age == 0, deleteMarker: isMarker, size: isMarker ? nil : Int64(number * 10 + age),
                        lastModified: "2026-01-\(20 - age / 2)T03:04:05.000Z",
                        etag: isMarker ? "" : Hex.encode(MD5.digest(bytes("\(number) \(age)")))))
            }
        }
        return versions
    }

    private static func use(_ body: (Scenario, ListingServer) throws -> Void) throws {
        let server = try ListingServer()
        try Scenario.use(server) { scenario in
            let run = try scenario.run(["init", scenario.store, "--bucket", "s3://bucket", "--list"])
            try #require(run.status == 0, "\(run)")
            try body(scenario, server)
        }
    }

    private static func expect(_ scenario: Scenario, _ versions: [S3Admin.ServedVersion], _ what: String) throws {
        for (key, group) in Dictionary(grouping: versions, by: \.key) {
            let wanted = group.map {
                Known(
                    id: $0.versionId, size: $0.size ?? 0, etag: $0.etag, isMarker: $0.deleteMarker,
                    isLatest: $0.isLatest)
            }
            #expect(try known(scenario, key) == Set(wanted), "\(what): \(key)")
        }
    }

    @Test(arguments: quirks.keys.sorted(), [1, 16])
    func aServersQuirksDoNotShow(quirk: String, jobs: Int) throws {
        try Self.use { scenario, server in
            let versions = Self.versions()
            try server.serve(versions)
            try server.set(Self.quirks[quirk] ?? [:])
            let run = try scenario.succeed("sync", "--metadata-only", "--jobs", "\(jobs)")
            #expect(run.text.contains("listed \(versions.count) versions"), "\(run)")
            let latest = Set(versions.filter { $0.isLatest && !$0.deleteMarker }.map(\.key))
            #expect(
                Set(try scenario.succeed("ls", "-R", "--json").records.compactMap { $0["key"] as? String }) == latest)
            // Keys with many versions, which pages divide, and odd ones.
            let often = Dictionary(grouping: versions, by: \.key).filter { $0.value.count > 3 }
            try Self.expect(
                scenario, versions.filter { often[$0.key] != nil || LostBucket.oddKeys.contains($0.key) }, quirk)
        }
    }

    @Test(arguments: ["noVersions", "ignoresVersions", "noSecond"])
    func aServerWithoutVersionsIsListedByObject(quirk: String) throws {
        try Self.use { scenario, server in
            let versions = Self.versions()
            try server.serve(versions)
            var quirks: [String: Any] = ["pageSize": 11, quirk: true]
            if quirk == "noSecond" { quirks["noVersions"] = true }
            try server.set(quirks)
            let run = try scenario.succeed("sync", "--metadata-only")
            let latest = versions.filter { $0.isLatest && !$0.deleteMarker }
            #expect(run.text.contains("listed \(latest.count) objects"), "\(run)")
            let shown = try scenario.succeed("ls", "-R", "--json").records.compactMap { $0["key"] as? String }
            #expect(Set(shown) == Set(latest.map(\.key)) && shown.count == latest.count)
        }
    }

    @Test(arguments: ["stuck", "circle", "repeatsMarker"])
    func aServerThatGoesRoundInCirclesIsRefused(quirk: String) throws {
        try Self.use { scenario, server in
            let versions = Self.versions()
            try server.serve(versions)
            try server.set(["pageSize": 11, quirk: true])
            let run = try scenario.run("sync", "--metadata-only")
            if run.status == 0 {
                // What can be told from a page alone is right, whatever the server says of the next.
                #expect(quirk != "stuck")
                try Self.expect(scenario, versions.filter { $0.key.hasPrefix("d1/") }, quirk)
            } else {
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("does not get past the key"), "\(run)")
                #expect(try scenario.succeed("snapshots", "--json").records.isEmpty)
            }
        }
    }

    /// The latest version goes between two pages: the one before it becomes the latest, and a page has both.
    @Test func aKeyThatChangesBetweenTwoPagesIsListedAgain() throws {
        try Self.use { scenario, server in
            let versions = (0..<4).map { age in
                S3Admin.ServedVersion(
                    key: "changes", versionId: "v\(age)", isLatest: age == 0, deleteMarker: false, size: 1,
                    lastModified: "2026-01-0\(9 - age)T00:00:00.000Z", etag: Hex.encode(MD5.digest(bytes("\(age)"))))
            }
            try server.serve(versions)
            try server.set(["pageSize": 1, "delete": "changes"])
            try scenario.succeed("sync", "--metadata-only", "--jobs", "1")
            let records = try scenario.succeed("versions", "--json", "changes").records
            #expect(records.compactMap { $0["versionId"] as? String } == ["v1", "v2", "v3"])
            #expect(records.compactMap { $0["isLatest"] as? Bool } == [true, false, false])
        }
    }

    // MARK: - Interruptions

    @Test func aListingThatWasKilledGoesOn() throws {
        try Self.use { scenario, server in
            try server.generate(60_000, shape: "deep")
            try server.set(["latency": 0.02])
            var kills = 0
            for _ in 0..<6 {
                let program = try scenario.start(["sync", "--store", scenario.store, "--metadata-only", "--jobs", "4"])
                _ = Clock.wait(seconds: Double.random(in: 0.1..<0.5)) { program.hasEnded }
                program.kill(SIGKILL)
                kills += try program.wait().status == 128 + SIGKILL ? 1 : 0
            }
            #expect(kills > 0)
            let run = try scenario.succeed("sync", "--metadata-only")
            #expect(run.text.contains("60000 keys") || run.text.contains("60,000 keys"), "\(run)")
            let record = try scenario.succeed("snapshots", "--json").record
            #expect((record["keys"] as? Int) == 60_000, "\(record)")
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
        }
    }

    @Test func stoppedItSaysHowToGoOn() throws {
        try Self.use { scenario, server in
            try server.generate(60_000, shape: "hex")
            try server.set(["latency": 0.2])
            let program = try scenario.start(["sync", "--store", scenario.store, "--metadata-only", "--jobs", "2"])
            _ = try Clock.wait(seconds: 30) { try server.statistics().pages > 4 }
            program.kill(SIGINT)
            let began = MonotonicClock.milliseconds()
            let run = try program.wait()
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(2000))
            #expect(run.status == 1 && run.stderr.contains("run the same command again"), "\(run)")
        }
    }
}
