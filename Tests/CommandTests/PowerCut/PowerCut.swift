import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A store whose power is cut: a command is traced once, and what it did to the disk is done again in a model up to any
/// point, of which is left what a cut leaves.
struct PowerCut {
    typealias Row = InventoryFolder.Row

    static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z", "2024-03-04T01-00Z"]
    static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"
    /// Also what is not large comes in pieces.
    static let chunks = ["--chunk-threshold", "1M", "--chunk-size", "1M"]

    let scenario: Scenario
    let rows: [[Row]]

    /// - Parameters:
    ///   - packBelow: what is smaller goes into packs.
    ///   - body: gets a new store, and a bucket with three inventories, none of which is synced.
    static func use(packBelow: String? = nil, _ body: (PowerCut) throws -> Void) throws {
        // What is durable is the model's affair: below it, memory will do.
        let memory = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : nil
        try Scenario.withBucket(packBelow: packBelow, in: memory) { scenario in
            let rows = inventories()
            for (name, rows) in zip(names, rows) { try scenario.add(name, rows) }
            for day in 0..<3 {
                for row in rows[day] where row.key == "parted/\(day)" {
                    try UnevenPartTests.tellParts(scenario, row, parts(day))
                }
            }
            try body(PowerCut(scenario: scenario, rows: rows))
        }
    }

    /// Of sizes that only the server knows.
    private static func parts(_ day: Int) -> [Int] { [400_003, 300_007, 400_003 + day] }

    /// Contents of all kinds, some of which change from each inventory to the next.
    private static func inventories() -> [[Row]] {
        var rows = (0..<30).map { Row("small/\($0 % 3)/\($0)", bytes("content \($0)")) }
        rows += ["shared/a", "shared/b"].map { Row($0, bytes("the same")) }
        // An index of more pages than a sync changes.
        rows += (0..<500).map { Row("shared/many/\($0)", bytes("the same")) }
        rows.append(Row("empty", []))
        rows.append(Row("large/0", RealBucket.content(seed: 20, count: 1_300_000)))
        var all: [[Row]] = []
        for day in 0..<3 {
            rows.append(
                Row("secret/\(day)", bytes("encrypted \(day)")).with {
                    $0.etag = "0123456789abcdef0123456789abcde\(day)"
                    $0.encryption = "SSE-KMS"
                })
            rows.append(UnevenPartTests.row("parted/\(day)", parts(day)))
            if day > 0 {
                let time = "2024-03-0\(day + 1)T12:00:00.000Z"
                for key in (0..<10).map({ "small/\(($0 + day) % 3)/\($0 + day)" }) + ["large/0"] {
                    for place in rows.indices where rows[place].key == key { rows[place].isLatest = false }
                    let content =
                        key == "large/0"
                        ? RealBucket.content(seed: 20 + UInt64(day), count: 1_200_000) : bytes("day \(day) of \(key)")
                    rows.append(Row(key, content, at: time))
                }
                for place in rows.indices where rows[place].key == "shared/a" { rows[place].isLatest = false }
                rows.append(Row("shared/a", [], versionId: "marker\(day)", at: time).with { $0.isMarker = day == 1 })
            }
            all.append(rows)
        }
        return all
    }

    func synchronize(_ days: ClosedRange<Int>) throws {
        for day in days {
            let run = try scenario.run(["sync", "--store", scenario.store, "--date", Self.names[day]] + Self.chunks)
            try #require(run.status == 0, "\(run)")
        }
    }

    // MARK: - Recording

    /// The disk as it is, all of it durable.
    func disk() throws -> DiskModel {
        try DiskModel(scenario.directory, names: ["store"])
    }

    /// Runs a command that must succeed.
    func record(_ words: [String]) throws -> Trace {
        let path = "\(scenario.directory)/outputs/trace"
        let calls = DiskCalls(try disk())
        let run = try scenario.run(under: Trace.wrapper(path), words)
        try #require(run.status == 0, "\(run)")
        defer { unlink(path) }
        let trace = try Trace(path: path)
        for event in trace.events { _ = try calls.apply(event) }
        #expect(try calls.disk.differences(from: disk()).isEmpty, "the model has missed something")
        return trace
    }

    /// Runs a command, and takes back what it did after some event, as if it had been killed there.
    ///
    /// - Returns: the disk with what is durable of it, which is less than what is there.
    func recordKilled(_ words: [String], after find: ([Trace.CallEvent]) -> Int?) throws -> DiskModel {
        let calls = DiskCalls(try disk())
        let events = try record(words).events
        let last = try #require(find(events))
        for event in events[...last] { _ = try calls.apply(event) }
        var random = SplitMix64(seed: 0)
        try lay(calls.disk, DiskCut(.everything, calls.disk, random: &random))
        return calls.disk
    }

    /// Lays down what a cut leaves.
    func lay(_ disk: DiskModel, _ cut: DiskCut) throws {
        if Files.exists(scenario.store) { try FileManager.default.removeItem(atPath: scenario.store) }
        var cut = cut
        try cut.write(disk)
    }

    // MARK: - Cutting

    /// A moment of a recorded command.
    struct CutPoint: CustomStringConvertible {
        var event: Int
        var of: Int
        var mood: DiskCut.Mood
        var call: String
        var isEnd: Bool { event == of }
        var description: String { "cut after event \(event) of \(of) (\(call)), \(mood.rawValue)" }
    }

    /// Cuts the power at many points of what was recorded, and looks at each.
    ///
    /// - Parameters:
    ///   - disk: as it was when the recording began; gives a new model each time.
    ///   - focus: an event that much depends on: every third cut comes right after one of these.
    ///   - look: what is wrong with the store that is found after the cut.
    /// - Returns: what was wrong, with the points.
    func cut(
        _ trace: Trace, _ disk: () throws -> DiskModel, points: Int, seed: UInt64, ignoring: Set<String> = [],
        focus: (Trace.CallEvent) -> Bool = { _ in false }, _ look: (CutPoint) throws -> [String]
    ) throws -> [String] {
        var random = SplitMix64(seed: seed)
        // Which events there are.
        var (matters, turns, focused): ([Int], [Int], [Int]) = ([], [], [])
        let rehearsal = DiskCalls(try disk(), ignoring: ignoring)
        for (number, event) in trace.events.enumerated() {
            switch try rehearsal.apply(event) {
            case .none: continue
            case .data: break
            case .name, .durability: turns.append(matters.count)
            }
            if focus(event) { focused.append(matters.count) }
            matters.append(number)
        }
        let last = matters.count - 1
        // The end, where all has been promised and nothing need be more than that; then any moment, and the turns of events.
        var chosen = [last: [DiskCut.Mood.nothing]]
        for number in 1..<points {
            if number % 3 == 1, !focused.isEmpty {
                let mood = number == 1 ? .additions : random.pick([DiskCut.Mood.additions, .scattered, .journal])
                chosen[random.pick(focused), default: []].append(mood)
                continue
            }
            let place =
                switch random.below(10) {
                case 0: last
                case 1...5: max(0, random.pick(turns) - random.below(2))
                default: random.below(matters.count)
                }
            chosen[place, default: []].append(random.pick(DiskCut.Mood.allCases))
        }
        let calls = DiskCalls(try disk(), ignoring: ignoring)
        var complaints: [String] = []
        var next = 0
        for (number, event) in trace.events.enumerated() {
            _ = try calls.apply(event)
            guard next < matters.count, matters[next] == number else { continue }
            for mood in chosen[next] ?? [] {
                try lay(calls.disk, DiskCut(mood, calls.disk, random: &random))
                var name = ""
                if case .ends(let call, _) = event { name = call.name }
                let point = CutPoint(event: next, of: last, mood: mood, call: name)
                complaints += try look(point).map { "\(point): \($0)" }
            }
            next += 1
        }
        return complaints
    }

    // MARK: - Looking

    /// What people see of a store.
    struct State: Equatable {
        var blobs: [String: String] = [:]
        /// Lines of JSON, by the names of snapshots.
        var snapshots: [String: String] = [:]
        var listings: [String: [UInt8]] = [:]
    }

    func state() throws -> State {
        var state = State()
        state.blobs = try StoreDigest.contents(scenario.store)
        state.snapshots = try snapshots(try scenario.succeed("snapshots", "--json"))
        for name in state.snapshots.keys { state.listings[name] = try listing(name) }
        return state
    }

    private func snapshots(_ run: Run) throws -> [String: String] {
        var lines: [String: String] = [:]
        for line in run.text.split(separator: "\n") {
            let name = try #require(Self.names.first { line.contains($0) }, "\(run)")
            lines[name] = String(line)
        }
        return lines
    }

    private func listing(_ name: String) throws -> [UInt8] {
        try scenario.succeed("ls", "-R", "--json", "--at", name).stdout
    }

    /// What must be so after a cut.
    struct Promise {
        /// As it was when the command began, and when it had ended.
        var before: State
        var after: State
        /// What verify may find wrong, because it was wrong before.
        var damage: Set<String> = []
        /// The commands that complete what the cut has interrupted.
        var next: [[String]]
        /// What else is wrong, at once after the cut and once those have ended.
        var more: () throws -> [String] = { [] }
    }

    /// Opens the store, verifies it, goes on; what is wrong.
    func look(_ promise: Promise, _ point: CutPoint) throws -> [String] {
        var complaints: [String] = []
        let run = try scenario.run("snapshots", "--json")
        guard run.status == 0 else { return ["the store does not open: \(run)"] }
        let lines = try snapshots(run)
        let kept = promise.before.snapshots.keys.filter { promise.after.snapshots[$0] != nil }
        for name in kept where promise.before.snapshots[name] != nil {
            guard let line = lines[name] else {
                complaints.append("the snapshot \(name) is lost")
                continue
            }
            if ![promise.before.snapshots[name], promise.after.snapshots[name]].contains(line), promise.damage.isEmpty {
                complaints.append("the snapshot \(name) is not what it was: \(line)")
            }
        }
        for name in lines.keys {
            let known = promise.before.listings[name] ?? promise.after.listings[name]
            let run = try scenario.run("ls", "-R", "--json", "--at", name)
            if run.status != 0 || run.stdout != known { complaints.append("the view of \(name) has changed: \(run)") }
        }
        if point.isEnd, Set(lines.keys) != Set(promise.after.snapshots.keys) {
            complaints.append("what had ended is not there: \(lines.keys.sorted())")
        }
        complaints += try StoreDigest.blobsWithoutFacts(scenario.store).map { "nothing but the index knows of \($0)" }
        complaints += try findings().filter { finding in
            // Packs that had just got their names, or were about to go: the next command settles that.
            !promise.damage.contains { finding.contains($0) } && !finding.contains("\"is not in the catalogue: ")
        }
        complaints += try promise.more()
        for words in promise.next {
            let run = try scenario.run(words)
            if run.status != 0 { complaints.append("cannot go on: \(run)") }
        }
        complaints += try findings().map { "afterwards \($0)" }
        if try state() != promise.after { complaints.append("it is not the same afterwards as without a cut") }
        complaints += try promise.more().map { "afterwards: \($0)" }
        complaints += try complaintsWithoutIndex()
        if try !Files.names(in: "\(scenario.store)/tmp").isEmpty { complaints.append("something is left in tmp/") }
        return complaints
    }

    /// Loses the index: what is wrong with the store once it has another.
    private func complaintsWithoutIndex() throws -> [String] {
        // A clone has nothing to make one from.
        if try Files.names(in: "\(scenario.store)/inventories").isEmpty { return [] }
        for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
        let run = try scenario.run("reindex")
        if run.status != 0 { return ["the index is not made again: \(run)"] }
        return try findings().filter { !$0.contains("\"missing\"") }.map { "after another index \($0)" }
    }

    /// What a verification finds.
    private func findings() throws -> [String] {
        let run = try scenario.run("verify", "--json")
        if run.status != 0, run.stdout.isEmpty { return ["verify fails: \(run)"] }
        return run.text.split(separator: "\n").map { "verify finds \($0)" }
    }
}
