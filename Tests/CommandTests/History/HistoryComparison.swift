import Basics
import Foundation
import ReferenceModel
import Testing

/// A store with the inventories of a scenario, and what the model says that it must answer.
///
/// Everything stands in one directory, which is kept if anything was not as expected.
final class HistoryComparison {
    /// The first failures tell most; a store that is all wrong shall not fill the log.
    struct TooManyFailures: Error, CustomStringConvertible {
        let description = "too many failures; the rest is not compared"
    }

    let scenario: HistoryScenario
    let directory: String
    private let program: HistoryProgram
    private var failures = 0
    private var synced: [InventoryReport] = []
    private var prunes: [String] = []
    /// What the inventories synced so far mean.
    private(set) var history: History

    init(seed: UInt64, test: String) throws {
        // No command line can hold a NUL, but inventories can.
        scenario = HistoryScenario(seed: seed, withNUL: seed % 3 == 1)
        directory = FileManager.default.temporaryDirectory.appending(path: "icecore-\(test)-\(seed)-\(getpid())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        program = try HistoryProgram(directory: directory)
        history = try History([])
        try scenario.writeInventories(to: "\(directory)/inventories")
        try expectSuccess(
            run([
                "init", "\(directory)/store", "--bucket", "s3://\(scenario.bucket.name)", "--inventory",
                "file://\(directory)/inventories",
            ]))
    }

    deinit {
        if failures == 0 { try? FileManager.default.removeItem(atPath: directory) }
    }

    // MARK: Commands

    private func run(_ arguments: [String]) throws -> Run {
        try program.run(arguments)
    }

    /// A command on the store; `operands` may begin with a dash.
    private func run(_ command: String, _ options: [String] = [], _ operands: [String] = []) throws
        -> Run
    {
        let words = [command, "--store", "\(directory)/store"] + options
        return try run(operands.isEmpty ? words : words + ["--"] + operands)
    }

    func sync(_ inventory: InventoryReport) throws {
        try syncAgain(inventory)
        synced.append(inventory)
        history = try history.syncing(inventory)
    }

    /// Prunes, after a rehearsal that must say the same and change nothing.
    func prune(_ rules: KeepRules) throws {
        let rehearsal = try run("prune", rules.options + ["--json", "--dry-run"])
        try expectSuccess(rehearsal)
        try compareSnapshots()
        let output = try run("prune", rules.options + ["--json"])
        try expectSuccess(output)
        let said = [rehearsal, output].map { String(decoding: $0.stdout, as: UTF8.self) }
        if said[0].replacing("\"dryRun\":true", with: "\"dryRun\":false") != said[1] {
            try fail(output, "the rehearsal said something else: \(said[0])\n\(said[1])")
        }
        history = try history.pruning(rules)
        prunes.append("\(rules.options.joined(separator: " ")) after \(synced.count)")
    }

    /// Syncs an inventory that the store has already.
    func syncAgain(_ inventory: InventoryReport) throws {
        try expectSuccess(run("sync", ["--metadata-only", "--date", inventory.name]))
    }

    /// Makes the index again.
    ///
    /// - Parameter isGone: the old one is no index any more.
    func reindex(isGone: Bool) throws {
        if isGone {
            try Files.replace(
                "\(directory)/store/index.sqlite", with: Array("SQLite format 3\0nothing of the kind".utf8))
        }
        try expectSuccess(run("reindex"))
    }

    func verify() throws {
        try expectSuccess(run("verify"))
    }

    // MARK: Comparisons

    func compareSnapshots() throws {
        try compare(run("snapshots", ["--json"]), history.snapshotsLines, SnapshotsLine.parse) { _ in nil }
    }

    func compareVersions(_ key: ByteString) throws {
        try compare(run("versions", ["--json"], [key.string]), history.versions(key) ?? [], VersionsLine.parse) {
            $0.version.key
        }
    }

    /// Compares `ls -R`; `when` nil is without `--at`, which means latest.
    func compareRecursive(at when: String?, _ prefix: ByteString = "") throws {
        try compareListing(at: when, ["-R"], prefix) { lsRecursive($0, prefix) }
    }

    func compareOneLevel(at when: String?, _ prefix: ByteString) throws {
        try compareListing(at: when, [], prefix) { lsOneLevel($0, prefix) }
    }

    private func compareListing(
        at when: String?, _ options: [String], _ prefix: ByteString, _ expected: (ShownVersions) -> [LsLine]
    ) throws {
        let before = Timestamp.now()
        let output = try run(
            "ls", ["--json"] + options + (when.map { ["--at", $0] } ?? []), prefix.isEmpty ? [] : [prefix.string])
        do {
            let resolved = try history.resolve(when ?? "latest", now: before)
            let view = view(resolved)
            // An age means another instant when the clock moves on; compare only where that makes no difference.
            guard try self.view(history.resolve(when ?? "latest", now: .now())) == view else { return }
            try compare(output, expected(view), LsLine.parse) { $0.name }
            if case .snapshot(let name) = resolved, when != nil, !output.stderr.contains(name) {
                try fail(output, "stderr should say that this became the snapshot \(name)")
            }
        } catch let error as WhenError {
            try expectFailure(output, error)
        }
    }

    func compareDifference(_ old: String, _ new: String, _ prefix: ByteString = "") throws {
        let output = try run("diff", ["--json"], [old, new] + (prefix.isEmpty ? [] : [prefix.string]))
        do {
            let (from, to) = (try history.resolve(old, now: .now()), try history.resolve(new, now: .now()))
            try compare(output, History.diffLines(view(from), view(to), prefix), DiffLine.parse) { $0.key }
        } catch let error as WhenError {
            try expectFailure(output, error)
        }
    }

    private func view(_ resolved: ResolvedWhen) -> ShownVersions {
        switch resolved {
        case .snapshot(let name): history.snapshotView(name) ?? [:]
        case .instant(let instant): history.instantView(at: instant)
        }
    }

    func expectUnknown(_ key: ByteString) throws {
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
        _ output: Run, _ expected: [Line], _ parse: ([UInt8]) throws -> [Line],
        key: (Line) -> ByteString?
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
        Issue.record(
            """
            seed \(scenario.seed) (\(scenario.style)), synced in the order \(synced.map(\.name).joined(separator: " "))
            pruned: \(prunes.isEmpty ? "never" : prunes.joined(separator: ", "))
            \(output.command)
            status \(output.status); stderr: \(output.stderr.isEmpty ? "(nothing)" : output.stderr)
            \(what)
            kept: \(directory)/inventories and \(directory)/store
            """)
        if failures >= 5 { throw TooManyFailures() }
    }
}
