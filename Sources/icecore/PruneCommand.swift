import ArgumentParser
import Basics
import Model
import Store

struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Drop old versions, and give their space back.",
        discussion: """
            Keeps the snapshots that any of the rules names, and always the newest; with --keep-within also every instant \
            since then. What no kept date shows is dropped for ever. Try --dry-run first: it says what would go, and how \
            many bytes exactly.
            """)

    @Option(
        name: .customLong("keep-within"),
        help: ArgumentHelp(
            "Keep everything of so long before the newest snapshot: 12h, 180d, 4w, 2y.", valueName: "duration"),
        transform: { text in
            guard let length = When.duration(text) else {
                throw ValidationError("'\(text)' is no duration: write 12h, 180d, 4w or 2y")
            }
            return length
        })
    var keepWithin: Int64?

    @Option(name: .customLong("keep-last"), help: ArgumentHelp("Keep the newest n snapshots.", valueName: "n"))
    var keepLast = 0

    @Option(
        name: .customLong("keep-daily"),
        help: ArgumentHelp("Keep the last snapshot of each of the last n days (UTC) that have any.", valueName: "n"))
    var keepDaily = 0

    @Option(name: .customLong("keep-weekly"), help: ArgumentHelp("The same for weeks.", valueName: "n"))
    var keepWeekly = 0

    @Option(name: .customLong("keep-monthly"), help: ArgumentHelp("The same for months.", valueName: "n"))
    var keepMonthly = 0

    @Option(name: .customLong("keep-yearly"), help: ArgumentHelp("The same for years.", valueName: "n"))
    var keepYearly = 0

    @Option(
        help: ArgumentHelp(
            "Drop only contents, and only of keys that begin with this: every snapshot and version stays listed.",
            valueName: "prefix"))
    var prefix: String?

    @Flag(name: .customLong("dry-run"), help: "Only say what would be dropped.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        guard [keepLast, keepDaily, keepWeekly, keepMonthly, keepYearly].allSatisfy({ $0 >= 0 }) else {
            throw ValidationError("a number of snapshots to keep is 0 or more")
        }
        if prefix == "" { throw ValidationError("--prefix '' is every key: leave it out") }
    }

    func run() throws {
        var rules = PruneRules()
        rules.within = keepWithin
        rules.last = keepLast
        rules.daily = keepDaily
        rules.weekly = keepWeekly
        rules.monthly = keepMonthly
        rules.yearly = keepYearly
        let store = try options.openForSorting()
        let line = ProgressLine()
        let prune = Prune(store, rules, prefix: try prefix.map { try keyBytes($0) }, isDryRun: dryRun) { progress in
            switch progress {
            case .looking(let keys): line.show("looking at keys: \(keys)")
            case .removing(let blobs, let count): line.show("removing: \(blobs) of \(count) blobs")
            }
        }
        let outcome: PruneOutcome
        do {
            outcome = try prune.run()
        } catch let error as IcecoreError where error.code == .interrupted {
            line.clear()
            throw IcecoreError(.interrupted, "Every kept date is as it was: the same command goes on.")
        } catch {
            line.clear()
            throw error
        }
        line.clear()
        let output = Output()
        if format.json { try summary(outcome, output) } else { try describe(outcome, output) }
        try output.flush()
    }

    private func summary(_ outcome: PruneOutcome, _ output: Output) throws {
        var json = JSONLine()
        for (names, isKept) in [(outcome.droppedSnapshots, false), (outcome.keptSnapshots, true)] {
            for name in names {
                json.begin()
                json.add("snapshot", name)
                json.add("kept", isKept)
                json.end()
                try output.write(json.bytes)
            }
        }
        json.begin()
        json.add("dryRun", dryRun)
        json.add("keptSince", outcome.horizon.rfc3339)
        json.add("keptSnapshots", Int64(outcome.keptSnapshots.count))
        json.add("droppedSnapshots", Int64(outcome.droppedSnapshots.count))
        json.add("droppedContents", Int64(outcome.droppedContents))
        json.add("droppedVersions", Int64(outcome.droppedVersions))
        json.add("blobs", Int64(outcome.blobs))
        json.add("bytes", outcome.bytes)
        json.end()
        try output.write(json.bytes)
    }

    private func describe(_ outcome: PruneOutcome, _ output: Output) throws {
        let would = dryRun ? "would be " : ""
        for name in outcome.droppedSnapshots { try output.line("\(name)  \(would)dropped") }
        for name in outcome.keptSnapshots { try output.line("\(name)  kept") }
        try output.line("every instant since \(outcome.horizon) \(dryRun ? "would be" : "is") kept")
        try output.line(
            "\(outcome.droppedContents) versions \(would)without content, \(outcome.droppedVersions) \(would)forgotten")
        try output.line(
            "\(outcome.blobs) blobs \(would)removed, \(outcome.bytes) bytes (\(outcome.bytes.byteCount)) \(would)freed")
    }
}
