import Basics
import Foundation
import Testbed
import Testing

/// Clocks that jump, between commands and during them: no command is wrong about what it keeps, and none takes for verified
/// or for gone what another clock would not.
@Suite struct ClockTests {
    typealias Row = InventoryFolder.Row

    private static let backwards = -10 * 365 * 86_400
    private static let forwards = 30 * 365 * 86_400

    /// From the beginning, or after some looks at the clock.
    private func clock(_ seconds: Int, after looks: Int = 0) throws -> [String: String] {
        try FaultShim.environment(["FAULT_CLOCK": "\(seconds)@\(looks)"])
    }

    /// How many blobs a verification looked at.
    private func checked(_ scenario: Scenario, _ words: String..., environment: [String: String] = [:]) throws -> Int {
        let run = try scenario.run(["verify", "--store", scenario.store] + words, environment: environment)
        #expect(run.status == 0 && run.stdout.isEmpty, "\(run)")
        let text = run.stderr.split(separator: "checked ").last?.prefix { $0.isNumber }
        return try #require(text.flatMap { Int($0) }, "\(run)")
    }

    @Test func aSyncShowsTheSameByWhateverClock() throws {
        try Scenario.withContents(small: 8) { scenario in
            let shown = {
                try [Scenario.inventoryNames[0], "2024-03-02T12:30:00Z", "latest"].map {
                    try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout
                }
            }
            let views = try shown()
            for (seconds, looks) in [
                (Self.backwards, 0), (Self.forwards, 0), (Self.backwards, 3), (Self.forwards, 3), (Self.backwards, 8),
                (Self.forwards, 8),
            ] {
                try FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
                for name in Scenario.inventoryNames {
                    let run = try scenario.run(
                        ["sync", "--store", scenario.store, "--date", name], environment: clock(seconds, after: looks))
                    #expect(run.status == 0, "\(run)")
                }
                #expect(try shown() == views, "\(seconds) after \(looks)")
                // And by a clock that went back to what it was.
                try scenario.succeed("sync")
                try scenario.succeed("reindex")
                #expect(try shown() == views, "\(seconds) after \(looks)")
                #expect(try scenario.findings(status: 0).isEmpty)
            }
        }
    }

    @Test func whatAWrongClockVerifiedIsVerifiedAgain() throws {
        try Scenario.withContents { scenario in
            let all = try StoreDigest.files("\(scenario.store)/blobs").count
            // ctimes of this moment would be later than the look at them.
            #expect(try checked(scenario) == all)
            usleep(20_000)
            #expect(try checked(scenario) == all)
            #expect(try checked(scenario, "--since", "1d") == 0)
            for seconds in [Self.backwards, Self.forwards] {
                #expect(try checked(scenario, "--since", "1d", environment: clock(seconds)) == all, "\(seconds)")
                #expect(try checked(scenario, "--since", "1d") == all, "\(seconds): what that one has noted")
                #expect(try checked(scenario, "--since", "1d") == 0)
                _ = try checked(scenario, environment: clock(seconds, after: 5))
                _ = try checked(scenario, "--since", "1d", environment: clock(seconds, after: 5))
                #expect(try checked(scenario) == all)
                #expect(try checked(scenario, "--since", "1d") == 0)
            }
            // One that was interrupted is gone on with by the same clock only.
            for seconds in [Self.backwards, Self.forwards] {
                let process = try scenario.startVerification(environment: clock(seconds))
                process.kill(SIGINT)
                #expect(try process.wait().status != 0)
                #expect(try checked(scenario) == all, "\(seconds)")
            }
        }
    }

    @Test func aPruneCountsFromTheNewestSnapshotAndNotFromAClock() throws {
        try Scenario.withBucket { scenario in
            let (first, second, third) = (
                Row("a", bytes("first")), Row("a", bytes("second"), at: "2024-03-02T12:00:00.000Z"),
                Row("a", bytes("third"), at: "2024-03-03T12:00:00.000Z")
            )
            for (day, row) in [(2, first), (3, second), (4, third)] {
                try scenario.add("2024-03-0\(day)T01-00Z", [row])
                try scenario.succeed("sync")
            }
            let words = ["prune", "--store", scenario.store, "--keep-within", "36h", "--dry-run", "--json"]
            let expected = try scenario.run(words)
            #expect(try expected.records.last?["keptSnapshots"] as? Int == 2, "\(expected)")
            for looks in [0, 2] {
                #expect(
                    try scenario.run(words, environment: clock(Self.forwards, after: looks)).text == expected.text)
                #expect(
                    try scenario.run(words, environment: clock(-365 * 86_400, after: looks)).text == expected.text)
            }
            // By this clock the newest snapshot is not taken yet: one of the two is wrong, and a prune cannot be undone.
            let before = try StoreDigest.of(scenario.store)
            for words in [words, words.filter { $0 != "--dry-run" }] {
                let refused = try scenario.run(words, environment: clock(Self.backwards))
                #expect(refused.status == 1 && refused.stdout.isEmpty && refused.complaints.count == 1, "\(refused)")
                for text in ["2024-03-04T01-00Z", "clock", "Nothing was pruned"] {
                    #expect(refused.stderr.contains(text), "\(refused)")
                }
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            // An inventory that was made by a machine with a wrong clock would be the measure of all others.
            try scenario.add("2056-03-04T01-00Z", [third])
            try scenario.succeed("sync")
            let kept = try scenario.run("prune", "--keep-within", "36h")
            #expect(kept.status == 1 && kept.stderr.contains("2056-03-04T01-00Z"), "\(kept)")
            #expect(try scenario.succeed("snapshots", "--json").records.count == 4)
            // Who names what is to be kept by number is obeyed.
            try scenario.succeed("prune", "--keep-last", "2")
            #expect(try scenario.succeed("snapshots", "--json").records.count == 2)
        }
    }

    @Test func whatAWrongClockCalledGoneIsAskedForAgain() throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", bytes("content"))
            let body = "<Error><Code>NoSuchVersion</Code><Message>gone</Message></Error>"
            try scenario.server.can(scenario.target(row), .init(status: 404, body: body))
            try scenario.add("2024-03-02T01-00Z", [row])
            let run = try scenario.run("sync", environment: clock(Self.forwards))
            #expect(run.status == 0, "\(run)")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            // An inventory of after that says that it is there. (It is later than 2024, and earlier than that clock.)
            try scenario.server.reset()
            try scenario.add("2024-03-03T01-00Z", [row])
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").stdout == row.content)
        }
    }

    @Test func mountsAndAgesFollowTheClockAndNothingElseDoes() throws {
        try Scenario.withContents { scenario in
            let reference = try SeenTree(try scenario.mount("--at", Scenario.inventoryNames[0], name: "reference"))
            for (number, seconds) in [Self.backwards, Self.forwards].enumerated() {
                for (when, isSame) in [
                    (Scenario.inventoryNames[0], true), ("2024-03-02T12:30:00Z", false), ("latest", false),
                ] {
                    let point = "\(scenario.directory)/mnt\(number)-\(isSame)-\(when.count)"
                    try Files.createDirectory(point)
                    defer { scenario.unmount(point) }
                    let run = try scenario.run(
                        ["mount", point, "--store", scenario.store, "--at", when], environment: clock(seconds, after: 2)
                    )
                    #expect(run.status == 0, "\(run)")
                    let tree = try SeenTree(point)
                    #expect(!tree.files.isEmpty)
                    if isSame { #expect(tree.files.keys.sorted() == reference.files.keys.sorted()) }
                }
            }
            // An age is one of the few things that a clock decides: what no snapshot knows is an error.
            let late = try scenario.run("ls", "--at", "1d", environment: clock(Self.forwards))
            #expect(late.status == 1 && late.stderr.contains(Scenario.inventoryNames[1]), "\(late)")
            let early = try scenario.run("ls", "--at", "1d", environment: clock(Self.backwards))
            #expect(early.status == 1 && early.stderr.contains("before"), "\(early)")
        }
    }

    @Test func aServerThatSeesTheWrongClockIsQuoted() throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(bucket.name, inventory: "file://\(bucket.directory)")
            for seconds in [Self.backwards, Self.forwards] {
                let run = try scenario.run("sync", environment: clock(seconds))
                #expect(run.status == 1 && run.stderr.contains("clock"), "\(run)")
                #expect(try scenario.succeed("snapshots").text.isEmpty)
            }
            try FileManager.default.removeItem(atPath: scenario.store)
            try scenario.initialize(bucket.name, inventory: bucket.inventoryURL)
            let run = try scenario.run("sync", environment: clock(Self.backwards))
            #expect(run.status == 1 && run.stderr.contains("clock"), "\(run)")
        }
    }
}
