import Basics
import Foundation
import Testbed
import Testing

/// Servers that fail, hang or are not there.
@Suite struct FaultTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let rows = (0..<400).map { number in
        Row("dir-\(number % 7)/\(number)", [UInt8](repeating: UInt8(number & 255), count: 200 + 7 * number))
    }

    /// What every fault comes to: a tenth of all answers.
    private static let faults = {
        var faults = FaultServer.Faults()
        faults.status503 = 0.02
        faults.status500 = 0.02
        faults.cut = 0.02
        faults.wrong = 0.02
        faults.reset = 0.02
        return faults
    }()

    private func expectBlobs(_ sync: SyncBench, _ rows: [Row]) throws {
        let expected = rows.map { row in
            let md5 = Hex.encode(MD5.digest(row.content))
            return ("\(md5.prefix(2))/\(md5)-\(row.content.count)", md5)
        }
        #expect(try StoreDigest.blobs(sync.bench.store) == Dictionary(uniqueKeysWithValues: expected))
        #expect(try Files.names(in: "\(sync.bench.store)/tmp").isEmpty)
    }

    @Test func everythingArrivesOnceFromAServerThatOftenFails() throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            try sync.server.set(Self.faults)
            let record = try sync.bench.succeed("sync", "--json").record
            #expect(record["fetched"] as? Int == Self.rows.count)
            #expect(record["fetchedBytes"] as? Int == Self.rows.map(\.content.count).reduce(0, +))
            #expect(record["failed"] as? Int == 0 && record["gone"] as? Int == 0)
            let requests = try sync.server.statistics().requests
            #expect(requests > Self.rows.count, "some answers were bad")
            #expect(Double(requests) <= 1.5 * Double(Self.rows.count), "\(requests) requests")
            // libcurl itself makes some again, those whose old connection was reset.
            let made = try #require(record["requests"] as? Int)
            #expect(made > Self.rows.count && made <= requests && record["retries"] as? Int == made - Self.rows.count)
            try expectBlobs(sync, Self.rows)

            // Another sync writes nothing again.
            let before = try StoreDigest.of(sync.bench.store)
            try sync.server.reset()
            try sync.bench.succeed("sync")
            #expect(try sync.requests().isEmpty)
            StoreDigest.expectSame(try StoreDigest.of(sync.bench.store), before)
        }
    }

    @Test func whatIsAlwaysWrongIsTheOnlyThingMissing() throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            var faults = Self.faults
            faults.alwaysWrong = [sync.target(Self.rows[123])]
            try sync.server.set(faults)
            let run = try sync.bench.run("sync", "--json")
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["failed"] as? Int == 1 && run.record["fetched"] as? Int == Self.rows.count - 1)
            let failures = try sync.failures()
            #expect(failures.count == 1 && failures.first?["key"] as? String == Self.rows[123].key)
            try expectBlobs(sync, Self.rows.enumerated().filter { $0.offset != 123 }.map(\.element))
            #expect(try sync.bench.run("cat", Self.rows[123].key).status == 1)

            try sync.server.reset()
            try sync.bench.succeed("sync")
            #expect(try sync.requests() == [sync.target(Self.rows[123]): 1])
            try expectBlobs(sync, Self.rows)
        }
    }

    @Test(arguments: ["http://127.0.0.1:9", "http://no-such-host.invalid"])
    func aServerThatIsNotThereEndsTheSyncEarlyInOneSentence(endpoint: String) throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            let start = Timestamp.now()
            let run = try sync.bench.run("sync", environment: ["AWS_ENDPOINT_URL": endpoint])
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(10_000))
            #expect(run.status == 1 && run.complaints.count == 1 && run.stdout.isEmpty, "\(run)")
            #expect(run.stderr.contains("cannot reach \(endpoint)"), "\(run)")
            #expect(try sync.failures().isEmpty, "no object is to blame")
            #expect(try sync.bench.succeed("snapshots", "--json").stdout.isEmpty)
            try sync.bench.succeed("sync")
            try expectBlobs(sync, Self.rows)
        }
    }

    @Test(arguments: ["exit 3", "echo rubbish", "sleep 100"])
    func aCredentialProcessThatFailsIsOneSentence(command: String) throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            try Files.createDirectory("\(sync.bench.directory)/.aws")
            try Files.replace(
                "\(sync.bench.directory)/.aws/config", with: bytes("[profile p]\ncredential_process = \(command)\n"))
            let environment = [
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "p",
                "ICECORE_CREDENTIAL_PROCESS_TIMEOUT": "1",
            ]
            let run = try sync.bench.run("sync", environment: environment)
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("the credential_process of profile 'p'"), "\(run)")
            #expect(try sync.requests().isEmpty)
        }
    }

    @Test func aCredentialProcessWhoseAnswersExpireSoonSignsALongSync() throws {
        try SyncBench.use { sync in
            let rows = Array(Self.rows.prefix(60))
            try sync.add(Self.name, rows)
            var faults = FaultServer.Faults()
            faults.latency = 0.1
            try sync.server.set(faults)
            let home = sync.bench.directory
            let answer = #"{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"s'$n'","Expiration":"'$e'"}"#
            try Files.createDirectory("\(home)/.aws")
            try Files.replace(
                "\(home)/.aws/config",
                with: bytes(
                    """
                    [profile p]
                    credential_process = echo >> \(home)/runs; n=$(wc -l < \(home)/runs); \
                    e=$(date -u -d '+2 seconds' +%Y-%m-%dT%H:%M:%S.%3NZ); echo '\(answer)'
                    """))
            let environment = [
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "p",
            ]
            try sync.bench.succeed("sync", "--jobs", "2", environment: environment)
            try expectBlobs(sync, rows)
            #expect(try Files.read("\(home)/runs", limit: 100).count >= 2, "it was asked again")
        }
    }

    // MARK: - Ctrl-C

    @Test func aSyncThatWaitsForAnswersStopsWithinTwoSeconds() throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            var faults = FaultServer.Faults()
            faults.stall = 1
            try sync.server.set(faults)
            let program = try sync.bench.start(["sync", "--store", sync.bench.store])
            #expect(try Clock.wait(seconds: 60) { try sync.server.statistics().requests > 4 })
            let start = Timestamp.now()
            program.kill(SIGINT)
            let run = try program.wait()
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(2000))
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("run the same command again"), "\(run)")
        }
    }

    @Test func aSecondInterruptionEndsTheSyncAtOnce() throws {
        try SyncBench.use { sync in
            try sync.add(Self.name, Self.rows)
            var faults = FaultServer.Faults()
            faults.stall = 1
            try sync.server.set(faults)
            let program = try sync.bench.start(["sync", "--store", sync.bench.store])
            #expect(try Clock.wait(seconds: 60) { try sync.server.statistics().requests > 4 })
            // While it is stopped it cannot wind up, so that both arrive before it does; of one kind, only one would.
            program.kill(SIGSTOP)
            program.kill(SIGINT)
            program.kill(SIGTERM)
            let start = Timestamp.now()
            program.kill(SIGCONT)
            let run = try program.wait()
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(500))
            #expect([128 + SIGINT, 128 + SIGTERM].contains(run.status) && run.stderr.isEmpty, "\(run)")
            try sync.server.reset()
            try sync.bench.succeed("sync")
            try expectBlobs(sync, Self.rows)
        }
    }
}
