import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A store with the inventories of a scenario, and what the model says that it must answer.
///
/// Everything stands in one directory, which is kept if anything was not as expected.
final class HistoryComparison {
    /// What a view shows; another than the model's finds out whether a mistake would be seen.
    typealias Rule = (History, ResolvedWhen) -> ShownVersions

    /// Something was not as expected.
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    /// The first failures tell most; a store that is all wrong shall not fill the log.
    struct TooManyFailures: Error, CustomStringConvertible {
        let description = "too many failures; the rest is not compared"
    }

    let scenario: HistoryScenario
    let directory: String
    private let program: HistoryProgram
    private let rule: Rule
    /// Whether the first failure is thrown; otherwise it is recorded, and others after it.
    private let isQuiet: Bool
    /// Shows the bucket as it was when the store listed it; runs only where there are listings.
    private var server: ListingServer?
    private var failures = 0
    private var acts: [HistoryAct] = []
    /// What was done up to the first failure.
    private(set) var failedActs: [HistoryAct]?
    /// What the inventories synced so far mean.
    private(set) var history: History

    init(
        _ scenario: HistoryScenario, test: String, isQuiet: Bool = false,
        rule: @escaping Rule = HistoryComparison.view
    ) throws {
        self.scenario = scenario
        self.isQuiet = isQuiet
        self.rule = rule
        directory =
            FileManager.default.temporaryDirectory.appending(
                path: "icecore-\(test)-\(scenario.seed)-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            ).path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        program = try HistoryProgram(directory: directory)
        history = try History([])
        try scenario.writeInventories(to: "\(directory)/inventories")
        // Half of the histories are told in all formats.
        if scenario.seed % 2 == 0 {
            try ColumnarReports.write(
                "\(directory)/inventories", to: "\(directory)/inventories", "mixed", seed: scenario.seed)
        }
        let made = try program.run([
            "init", "\(directory)/store", "--bucket", "s3://\(scenario.bucket.name)", "--inventory",
            "file://\(directory)/inventories",
        ])
        try expectSuccess(made)
    }

    deinit {
        if failures == 0 || isQuiet { try? FileManager.default.removeItem(atPath: directory) }
    }

    /// Runs a test on the history of a seed; of one that fails, the smallest part that fails is recorded too.
    static func use(
        seed: UInt64, test: String, withListings: Bool = false, _ body: (HistoryComparison) throws -> Void
    ) throws {
        // No command line can hold a NUL, but inventories can.
        let scenario = HistoryScenario(seed: seed, withNUL: seed % 3 == 1, withListings: withListings)
        let store = try HistoryComparison(scenario, test: test)
        defer {
            if let acts = store.failedActs {
                let smallest = SmallestHistory(store.scenario, acts, test: test)
                Issue.record("\(smallest.map { "\($0)" } ?? "the failure does not come again")")
            }
        }
        try body(store)
    }

    // MARK: Acts

    func perform(_ act: HistoryAct) throws {
        acts.append(act)
        switch act {
        case .sync(let name):
            let inventory = scenario.inventories.first { $0.name == name }
            if let inventory, inventory.isListing {
                try list(inventory)
            } else {
                try expectSuccess(run("sync", ["--metadata-only", "--date", name]))
            }
            if let inventory { history = try history.syncing(inventory) }
        case .syncAgain(let name): try expectSuccess(run("sync", ["--metadata-only", "--date", name]))
        case .prune(let rules): try prune(rules)
        case .reindex(let isGone):
            if isGone {
                try Files.replace(
                    "\(directory)/store/index.sqlite", with: Array("SQLite format 3\0nothing of the kind".utf8))
            }
            try expectSuccess(run("reindex"))
        case .verify: try expectSuccess(run("verify"))
        case .ask(let question): try compare(question)
        }
    }

    /// Lets the store list the bucket, at the time and with what it finds in the model's listing.
    private func list(_ listing: InventoryReport) throws {
        let server = try self.server ?? ListingServer()
        self.server = server
        try server.serve(listing.rows.map(S3Admin.ServedVersion.init))
        // However the server divides it and wherever it begins, it is the same listing.
        var random = SplitMix64(seed: UInt64(bitPattern: listing.takenAt.milliseconds))
        try server.set([
            "pageSize": random.pick([2, 3, 7, 1000]), random.pick(["inclusive", "separate", "none"]): true,
            "plain": random.chance(30), "oldestFirst": random.chance(30),
            "status": listing.kind == .currentOnly ? "" : "Enabled",
        ])
        var environment = server.environment
        environment["HOME"] = nil
        environment["FAULT_NOW"] = "\(listing.takenAt.milliseconds / 1000)"
        let words = ["sync", "--store", "\(directory)/store", "--list", "--metadata-only", "--jobs", "4"]
        try expectSuccess(program.run(words, environment: FaultShim.environment(environment)))
    }

    private func prune(_ rules: KeepRules) throws {
        let rehearsal = try run("prune", rules.options + ["--json", "--dry-run"])
        try expectSuccess(rehearsal)
        try compare(.snapshots)
        let output = try run("prune", rules.options + ["--json"])
        try expectSuccess(output)
        let said = [rehearsal, output].map { String(decoding: $0.stdout, as: UTF8.self) }
        if said[0].replacing("\"dryRun\":true", with: "\"dryRun\":false") != said[1] {
            try fail(output, "the rehearsal said something else: \(said[0])\n\(said[1])")
        }
        history = try history.pruning(rules)
    }

    /// A command on the store; `operands` may begin with a dash.
    private func run(_ command: String, _ options: [String] = [], _ operands: [String] = []) throws -> Run {
        let words = [command, "--store", "\(directory)/store"] + options
        return try program.run(operands.isEmpty ? words : words + ["--"] + operands)
    }

    // MARK: Questions

    func ask(_ question: HistoryAct.Question) throws {
        try perform(.ask(question))
    }

    private func compare(_ question: HistoryAct.Question) throws {
        switch question {
        case .snapshots:
            try compare(run("snapshots", ["--json"]), history.snapshotsLines, SnapshotsLine.parse) { _ in nil }
        case .versions(let key):
            try compare(run("versions", ["--json"], [key.string]), history.versions(key) ?? [], VersionsLine.parse) {
                $0.version.key
            }
        case .unknown(let key): try expectUnknown(key)
        case .recursive(let when, let prefix):
            try compareListing(at: when, ["-R"], prefix) { lsRecursive($0, prefix) }
        case .oneLevel(let when, let prefix): try compareListing(at: when, [], prefix) { lsOneLevel($0, prefix) }
        case .difference(let old, let new, let prefix): try compareDifference(old, new, prefix)
        case .sums(let when, let prefix, let depth):
            try compareView(
                "du", at: when, depth.map { ["-d", "\($0)"] } ?? [], prefix, DuLine.parse, key: \.prefix
            ) { duLines($0, prefix, depth: depth) }
        case .search(let question): try compareSearch(question)
        case .everything:
            try compare(.snapshots)
            for inventory in history.inventories { try compare(.recursive(when: inventory.name, prefix: "")) }
            for instant in HistoryScenario.interestingInstants(history) {
                try compare(.recursive(when: instant.rfc3339, prefix: ""))
            }
            for key in history.keys where !key.bytes.contains(0) { try compare(.versions(key)) }
        }
    }

    private func compareListing(
        at when: String?, _ options: [String], _ prefix: ByteString, _ expected: (ShownVersions) -> [LsLine]
    ) throws {
        try compareView("ls", at: when, options, prefix, LsLine.parse, key: \.name, expected)
    }

    /// Compares what a command says of a view.
    private func compareView<Line: Equatable & CustomStringConvertible>(
        _ command: String, at when: String?, _ options: [String], _ operand: ByteString,
        _ parse: ([UInt8]) throws -> [Line], key: (Line) -> ByteString?, _ expected: (ShownVersions) -> [Line]
    ) throws {
        let before = Timestamp.now()
        let output = try run(
            command, ["--json"] + options + (when.map { ["--at", $0] } ?? []), operand.isEmpty ? [] : [operand.string])
        do {
            let resolved = try history.resolve(when ?? "latest", now: before)
            let view = rule(history, resolved)
            // An age means another instant when the clock moves on; compare only where that makes no difference.
            guard try rule(history, history.resolve(when ?? "latest", now: .now())) == view else { return }
            try compare(output, expected(view), parse, key: key)
            if case .snapshot(let name) = resolved, when != nil, !output.stderr.contains(name) {
                try fail(output, "stderr should say that this became the snapshot \(name)")
            }
        } catch let error as WhenError {
            try expectFailure(output, error)
        }
    }

    private func compareSearch(_ question: FindQuestion) throws {
        if case .view(let when) = question.scope {
            var others = question
            others.scope = .view(nil)
            return try compareView(
                "find", at: when, others.options, question.glob, FindLine.parse, key: \.version.key
            ) { History.find(question, in: $0) }
        }
        let isDeletedOnly = if case .deleted = question.scope { true } else { false }
        try compare(
            run("find", ["--json"] + question.options, [question.glob.string]),
            history.findEver(question, isDeletedOnly: isDeletedOnly), FindLine.parse
        ) { $0.version.key }
    }

    private func compareDifference(_ old: String, _ new: String, _ prefix: ByteString) throws {
        let output = try run("diff", ["--json"], [old, new] + (prefix.isEmpty ? [] : [prefix.string]))
        do {
            let (from, to) = (try history.resolve(old, now: .now()), try history.resolve(new, now: .now()))
            let lines = History.diffLines(rule(history, from), rule(history, to), prefix)
            try compare(output, lines, DiffLine.parse) { $0.key }
        } catch let error as WhenError {
            try expectFailure(output, error)
        }
    }

    static func view(_ history: History, _ resolved: ResolvedWhen) -> ShownVersions {
        switch resolved {
        case .snapshot(let name): history.snapshotView(name) ?? [:]
        case .instant(let instant): history.instantView(at: instant)
        }
    }

    private func expectUnknown(_ key: ByteString) throws {
        let output = try run("versions", ["--json"], [key.string])
        if output.status != 1 || !output.stdout.isEmpty || output.stderr.isEmpty {
            try fail(output, "\(key) was never listed: expected status 1, a sentence on stderr and nothing on stdout")
        }
    }

    // MARK: Failures

    private func expectSuccess(_ output: Run) throws {
        if output.status != 0 { try fail(output, "expected status 0") }
    }

    private func expectFailure(_ output: Run, _ error: WhenError) throws {
        if output.status != error.exitStatus || !output.stdout.isEmpty || output.stderr.isEmpty {
            try fail(
                output,
                "WHEN is \(error): expected status \(error.exitStatus), a sentence on stderr and nothing on stdout")
        }
        if case .afterNewest(let name) = error, !output.stderr.contains(name) {
            try fail(output, "the sentence should name the newest snapshot, \(name)")
        }
    }

    /// Compares what was printed with what should have been, and says where they part.
    private func compare<Line: Equatable & CustomStringConvertible>(
        _ output: Run, _ expected: [Line], _ parse: ([UInt8]) throws -> [Line], key: (Line) -> ByteString?
    ) throws {
        if output.status != 0 { return try fail(output, "expected status 0") }
        let printed: [Line]
        do {
            printed = try parse(output.stdout)
        } catch {
            return try fail(output, "\(error)")
        }
        guard printed != expected else { return }
        let index =
            zip(printed, expected).enumerated().first { $1.0 != $1.1 }?.offset
            ?? min(printed.count, expected.count)
        let (actual, wanted) = (printed.dropFirst(index).first, expected.dropFirst(index).first)
        var text = """
            line \(index + 1) of \(printed.count), where \(expected.count) are expected, is the first that differs
            printed:  \(actual.map { "\($0)" } ?? "(nothing)")
            expected: \(wanted.map { "\($0)" } ?? "(nothing)")
            """
        let keys = [actual, wanted].compactMap { $0.flatMap(key) }.reduce(into: [ByteString]()) { keys, key in
            if !keys.contains(key) { keys.append(key) }
        }
        for key in keys { text += "\n" + explain(key) }
        try fail(output, text)
    }

    /// What the model knows of a key, or of the keys below a prefix.
    private func explain(_ name: ByteString) -> String {
        let keys = history.history(of: name) != nil ? [name] : history.keys.filter { $0.hasPrefix(name) }
        if keys.isEmpty { return "\(name) is in no inventory" }
        return keys.prefix(3).map { history.explanation(of: $0) }.joined(separator: "\n")
    }

    private func fail(_ output: Run, _ what: String) throws {
        failures += 1
        if failedActs == nil { failedActs = acts }
        let answer = """
            \(output.command)
            status \(output.status); stderr: \(output.stderr.isEmpty ? "(nothing)" : output.stderr)
            \(what)
            """
        if isQuiet { throw Mismatch(description: answer) }
        Issue.record(
            """
            seed \(scenario.seed) (\(scenario.style)): \
            \(acts.filter { !$0.isQuestion }.map(\.description).joined(separator: ", "))
            \(answer)
            kept: \(directory)/inventories and \(directory)/store
            """)
        if failures >= 5 { throw TooManyFailures() }
    }
}
