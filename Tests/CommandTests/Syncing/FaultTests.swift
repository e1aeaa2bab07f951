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

    private func expectBlobs(_ scenario: Scenario, _ rows: [Row]) throws {
        let expected = rows.map { row in
            let md5 = Hex.encode(MD5.digest(row.content))
            return ("\(md5.prefix(2))/\(md5)-\(row.content.count)", md5)
        }
        #expect(try StoreDigest.blobs(scenario.store) == Dictionary(uniqueKeysWithValues: expected))
        #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
    }

    @Test func everythingArrivesOnceFromAServerThatOftenFails() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            try scenario.server.set(Self.faults)
            let record = try scenario.succeed("sync", "--json").record
            #expect(record["fetched"] as? Int == Self.rows.count)
            #expect(record["fetchedBytes"] as? Int == Self.rows.map(\.content.count).reduce(0, +))
            #expect(record["failed"] as? Int == 0 && record["gone"] as? Int == 0)
            let requests = try scenario.server.statistics().requests
            #expect(requests > Self.rows.count, "some answers were bad")
            #expect(Double(requests) <= 1.5 * Double(Self.rows.count), "\(requests) requests")
            // libcurl itself makes some again, those whose old connection was reset.
            let made = try #require(record["requests"] as? Int)
            #expect(made > Self.rows.count && made <= requests && record["retries"] as? Int == made - Self.rows.count)
            try expectBlobs(scenario, Self.rows)

            // Another sync writes nothing again.
            let before = try StoreDigest.of(scenario.store)
            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests().isEmpty)
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func whatIsAlwaysWrongIsTheOnlyThingMissing() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            var faults = Self.faults
            faults.alwaysWrong = [scenario.target(Self.rows[123])]
            try scenario.server.set(faults)
            let run = try scenario.run("sync", "--json")
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["failed"] as? Int == 1 && run.record["fetched"] as? Int == Self.rows.count - 1)
            let failures = try scenario.failures()
            #expect(failures.count == 1 && failures.first?["key"] as? String == Self.rows[123].key)
            try expectBlobs(scenario, Self.rows.enumerated().filter { $0.offset != 123 }.map(\.element))
            #expect(try scenario.run("cat", Self.rows[123].key).status == 1)

            try scenario.server.reset()
            try scenario.succeed("sync")
            #expect(try scenario.requests() == [scenario.target(Self.rows[123]): 1])
            try expectBlobs(scenario, Self.rows)
        }
    }

    @Test(arguments: ["http://127.0.0.1:9", "http://no-such-host.invalid"])
    func aServerThatIsNotThereEndsTheSyncInOneSentence(endpoint: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            let start = Timestamp.now()
            let run = try scenario.run("sync", environment: ["AWS_ENDPOINT_URL": endpoint])
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(10_000))
            #expect(run.status == 1 && run.complaints.count == 1 && run.stdout.isEmpty, "\(run)")
            #expect(run.stderr.contains("cannot reach \(endpoint)"), "\(run)")
            #expect(try scenario.failures().isEmpty, "no object is to blame")
            #expect(try scenario.succeed("snapshots", "--json").stdout.isEmpty)
            try scenario.succeed("sync")
            try expectBlobs(scenario, Self.rows)
        }
    }

    @Test(arguments: ["exit 3", "echo rubbish", "sleep 100"])
    func aCredentialProcessThatFailsIsOneSentence(command: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            try Files.createDirectory("\(scenario.directory)/.aws")
            try Files.replace(
                "\(scenario.directory)/.aws/config", with: bytes("[profile p]\ncredential_process = \(command)\n"))
            let environment = [
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "p",
                "ICECORE_CREDENTIAL_PROCESS_TIMEOUT": "1",
            ]
            let run = try scenario.run("sync", environment: environment)
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("the credential_process of profile 'p'"), "\(run)")
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func aCredentialProcessWhoseAnswersExpireSoonSignsALongSync() throws {
        try Scenario.withBucket { scenario in
            let rows = Array(Self.rows.prefix(60))
            try scenario.add(Self.name, rows)
            var faults = FaultServer.Faults()
            faults.latency = 0.1
            try scenario.server.set(faults)
            let home = scenario.directory
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
            try scenario.succeed("sync", "--jobs", "2", environment: environment)
            try expectBlobs(scenario, rows)
            #expect(try Files.read("\(home)/runs", limit: 100).count >= 2, "it was asked again")
        }
    }

    // MARK: - Ctrl-C

    /// Starts a sync, and waits until it waits for answers that do not come.
    private func startUnansweredSync(_ scenario: Scenario) throws -> RunningProgram {
        try scenario.add(Self.name, Self.rows)
        var faults = FaultServer.Faults()
        faults.stall = 1
        try scenario.server.set(faults)
        let program = try scenario.start(["sync", "--store", scenario.store])
        #expect(try Clock.wait(seconds: 60) { try scenario.server.statistics().requests > 4 })
        return program
    }

    @Test func anInterruptionEndsASyncThatWaitsForAnswers() throws {
        try Scenario.withBucket { scenario in
            let program = try startUnansweredSync(scenario)
            let start = Timestamp.now()
            program.kill(SIGINT)
            let run = try program.wait()
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(2000))
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("run the same command again"), "\(run)")
        }
    }

    @Test func aSecondInterruptionKillsTheSync() throws {
        try Scenario.withBucket { scenario in
            let program = try startUnansweredSync(scenario)
            // While it is stopped it cannot wind up, so that both arrive before it does; of one kind, only one would.
            program.kill(SIGSTOP)
            program.kill(SIGINT)
            program.kill(SIGTERM)
            let start = Timestamp.now()
            program.kill(SIGCONT)
            let run = try program.wait()
            #expect(Timestamp.now().milliseconds - start.milliseconds < Patience.milliseconds(500))
            #expect([128 + SIGINT, 128 + SIGTERM].contains(run.status) && run.stderr.isEmpty, "\(run)")
            try scenario.server.reset()
            try scenario.succeed("sync")
            try expectBlobs(scenario, Self.rows)
        }
    }
}
