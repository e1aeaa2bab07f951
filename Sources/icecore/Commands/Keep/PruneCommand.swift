import ArgumentParser
import Basics
import Model
import Store

struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Drop old versions and free their space.",
        discussion: """
            Keeps every snapshot that a rule selects, and always the newest; with --keep-within also every instant \
            since then. What no kept date shows is dropped for good. Try --dry-run first: it shows what would go, and \
            exactly how many bytes.
            """)

    @Option(
        name: .customLong("keep-within"),
        help: ArgumentHelp(
            "Keep everything back to this long before the newest snapshot: 12h, 180d, 4w, 2y.", valueName: "duration"),
        transform: { text in
            guard let length = When.duration(text) else {
                throw ValidationError("'\(text)' is not a duration: write 12h, 180d, 4w or 2y")
            }
            return length
        })
    var keepWithin: Int64?

    @Option(name: .customLong("keep-last"), help: ArgumentHelp("Keep the newest n snapshots.", valueName: "n"))
    var keepLast = 0

    @Option(
        name: .customLong("keep-daily"),
        help: ArgumentHelp("Keep the last snapshot of each of the last n days (UTC) that have one.", valueName: "n"))
    var keepDaily = 0

    @Option(name: .customLong("keep-weekly"), help: ArgumentHelp("The same for weeks.", valueName: "n"))
    var keepWeekly = 0

    @Option(name: .customLong("keep-monthly"), help: ArgumentHelp("The same for months.", valueName: "n"))
    var keepMonthly = 0

    @Option(name: .customLong("keep-yearly"), help: ArgumentHelp("The same for years.", valueName: "n"))
    var keepYearly = 0

    @Option(
        help: ArgumentHelp(
            "Drop only content, and only of keys that start with this: every snapshot and version stays listed.",
            valueName: "prefix"))
    var prefix: String?

    @Flag(name: .customLong("dry-run"), help: "Only show what would be dropped.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        guard [keepLast, keepDaily, keepWeekly, keepMonthly, keepYearly].allSatisfy({ $0 >= 0 }) else {
            throw ValidationError("the number of snapshots to keep must be 0 or more")
        }
        if prefix == "" { throw ValidationError("--prefix '' means every key: leave it out") }
    }

    func run() throws {
        var rules = RetentionPolicy()
        rules.within = keepWithin
        rules.last = keepLast
        rules.daily = keepDaily
        rules.weekly = keepWeekly
        rules.monthly = keepMonthly
        rules.yearly = keepYearly
        let store = try options.openForSorting()
        try store.refuseObjectStore(
            "'icecore prune'", instead: "such a store keeps everything for now")
        let line = ProgressLine()
        let prune = Prune(store, rules, prefix: prefix.map { Array($0.utf8) }, isDryRun: dryRun) { progress in
            switch progress {
            case .looking(let keys): line.show("looking at keys", text: "\(keys)")
            case .removing(let blobs, let count): line.show("removing", text: "\(blobs) of \(count) blobs")
            case .rewriting(let packs, let count): line.show("rewriting", text: "\(packs) of \(count) packs")
            }
        }
        let outcome = try interruptible(line, "Every kept date is intact: run the same command again to finish.") {
            try prune.run()
        }
        if let packs = outcome.packs { warn(packs, line) }
        let output = Output()
        if format.json { try summary(outcome, output) } else { try describe(outcome, output) }
        try output.flush()
    }

    private func summary(_ outcome: PruneOutcome, _ output: Output) throws {
        for name in outcome.droppedSnapshots { try output.record(PrunedSnapshotRecord(snapshot: name, kept: false)) }
        for name in outcome.keptSnapshots { try output.record(PrunedSnapshotRecord(snapshot: name, kept: true)) }
        try output.record(PruneRecord(outcome, dryRun: dryRun))
    }

    private func describe(_ outcome: PruneOutcome, _ output: Output) throws {
        let would = dryRun ? "would be " : ""
        for name in outcome.droppedSnapshots { try output.line("\(name)  \(would)dropped") }
        for name in outcome.keptSnapshots { try output.line("\(name)  kept") }
        try output.line("every instant since \(outcome.horizon) \(dryRun ? "would be" : "is") kept")
        try output.line(
            "\(outcome.droppedContents.of("version")) \(would)without content, \(outcome.droppedVersions) \(would)forgotten"
        )
        try output.line(
            "\(outcome.blobs.of("blob")) \(would)removed, \(outcome.bytes.of("byte")) (\(outcome.bytes.byteCount)) \(would)freed"
        )
        guard let packs = outcome.packs else { return }
        try output.line(
            "\(packs.dropped.of("pack")) \(would)removed, \(packs.rewritten) \(would)rewritten: packs "
                + "\(dryRun ? "would take" : "take") \(packs.bytes.of("byte")) (\(packs.bytes.byteCount)) less")
        if packs.deadBlobs > 0 {
            let stay = dryRun ? "would stay" : packs.deadBlobs == 1 ? "stays" : "stay"
            try output.line(
                "\(packs.deadBlobs.of("blob")) that nothing needs \(stay) in packs, "
                    + "\(packs.deadBytes.of("byte")) (\(packs.deadBytes.byteCount))")
        }
    }

    private func warn(_ packs: PrunedPacks, _ line: ProgressLine) {
        if packs.withoutRoom > 0 {
            line.warning(
                "the disk has no room to write \(packs.withoutRoom.of("pack")) anew: what nothing needs stays there until a "
                    + "prune finds room")
        }
        if packs.damaged > 0 {
            line.warning(
                "\(packs.damaged.of("pack")) \(packs.damaged == 1 ? "is" : "are") damaged and left alone: 'icecore verify' "
                    + "says more")
        }
    }
}

private struct PrunedSnapshotRecord: Encodable {
    let snapshot: String
    let kept: Bool
}

/// Of a store without packs, it has no fields about them.
private struct PruneRecord: Encodable {
    private enum CodingKeys: String, CodingKey {
        case dryRun, keptSince, keptSnapshots, droppedSnapshots, droppedContents, droppedVersions, blobs, bytes
        case droppedPacks, rewrittenPacks, packBytes, deadBlobs, deadBytes
    }

    private let outcome: PruneOutcome
    private let dryRun: Bool

    init(_ outcome: PruneOutcome, dryRun: Bool) {
        self.outcome = outcome
        self.dryRun = dryRun
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(dryRun, forKey: .dryRun)
        try fields.encode(outcome.horizon.rfc3339, forKey: .keptSince)
        try fields.encode(outcome.keptSnapshots.count, forKey: .keptSnapshots)
        try fields.encode(outcome.droppedSnapshots.count, forKey: .droppedSnapshots)
        try fields.encode(outcome.droppedContents, forKey: .droppedContents)
        try fields.encode(outcome.droppedVersions, forKey: .droppedVersions)
        try fields.encode(outcome.blobs, forKey: .blobs)
        try fields.encode(outcome.bytes, forKey: .bytes)
        guard let packs = outcome.packs else { return }
        try fields.encode(packs.dropped, forKey: .droppedPacks)
        try fields.encode(packs.rewritten, forKey: .rewrittenPacks)
        try fields.encode(packs.bytes, forKey: .packBytes)
        try fields.encode(packs.deadBlobs, forKey: .deadBlobs)
        try fields.encode(packs.deadBytes, forKey: .deadBytes)
    }
}
