import ArgumentParser
import Basics
import Model
import Replica
import Store
import Verify

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every blob, the index and the kept inventories.",
        discussion: """
            Prints a line for everything that is damaged, missing or foreign, and nothing for what is sound. Resumes \
            where an interrupted verification stopped. Exit status: 0 nothing is damaged or missing, 1 something is \
            damaged, 3 something is missing.
            """)

    @Flag(help: "Move damaged blobs to quarantine/, and fetch what is damaged or missing from the bucket.")
    var repair = false

    @Flag(
        name: .customLong("accept-gone"),
        help: "With --repair: go on even if the bucket denies most objects; otherwise it stops and records nothing.")
    var acceptGone = false

    @Option(
        help: ArgumentHelp("Check only this share of the blobs, drawn at random each time.", valueName: "percent"),
        transform: VerifyCommand.share)
    var sample: Double?

    @Option(
        help: ArgumentHelp(
            "Skip what was verified at this time or later: 2024-11-06, 2024-11-06T12:00:00Z, or an age such as 30d.",
            valueName: "when"),
        transform: VerifyCommand.instant)
    var since: Timestamp?

    @Option(
        name: .customLong("limit-rate"),
        help: ArgumentHelp("Maximum bytes read per second, such as 50M.", valueName: "size"),
        transform: { try ByteSize.parse($0, 1024...(1 << 50)) })
    var limitRate: Int64?

    @Flag(name: .customLong("index-only"), help: "Check only the index.")
    var indexOnly = false

    @Flag(
        help: "In a store in an object store: compare names and sizes with a listing of that, and read nothing there.")
    var cheap = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if acceptGone, !repair { throw ValidationError("--accept-gone goes with --repair") }
        if indexOnly, repair || sample != nil || since != nil {
            throw ValidationError("--index-only cannot be combined with --repair, --sample or --since")
        }
        if cheap, repair || sample != nil || since != nil || indexOnly || limitRate != nil {
            throw ValidationError("--cheap cannot be combined with other ways to verify")
        }
    }

    func run() throws {
        var verifyOptions = VerifyOptions()
        verifyOptions.sample = sample
        verifyOptions.since = since
        verifyOptions.rate = limitRate
        verifyOptions.indexOnly = indexOnly
        verifyOptions.acceptGone = acceptGone
        let store = try options.openForSorting()
        if cheap { return try compare(store) }
        try store.refuseObjectStore(
            "'icecore verify'",
            instead: "--cheap compares names and sizes, 'icecore clone' reads all of them and checks each")
        let reporter = TerminalVerifyReporter(json: format.json)
        let outcome = try interruptible(reporter.line, "Run the same command again to resume.") {
            repair
                ? try Repair(store, verifyOptions, environment: Console.environment, reporter: reporter).run()
                : try VerifyRun(store, verifyOptions, reporter: reporter).run()
        }
        try conclude(outcome)
    }

    /// Compares a store in an object store with a listing of that.
    private func compare(_ store: Store) throws {
        let output = Output()
        let outcome = try ObjectStoreCheck(store, environment: Console.environment).run { path, reason in
            if format.json {
                try output.record(DistantFinding(path: path, reason: reason))
            } else {
                try output.line(Display.line("\(path) \(reason)"))
            }
        }
        try output.flush()
        Console.note(
            "compared \(outcome.blobs.of("blob")) and \(outcome.packs.of("pack")) (\(outcome.bytes.byteCount)) with a "
                + "listing, and checked \(outcome.rows.of("row")) of the index")
        if outcome.foreign > 0 {
            Console.note("\(outcome.foreign.of("object")) there \(outcome.foreign.verb("is", "are")) named by nothing")
        }
        if outcome.damaged > 0 { throw IcecoreError(.damaged, "the index is damaged") }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing.of("object")) \(outcome.missing.verb("is", "are")) missing in the object store")
        }
    }

    private func conclude(_ outcome: VerifyOutcome) throws {
        Console.note(
            indexOnly
                ? "checked \(outcome.rows.of("row")) of the index"
                : "checked \(outcome.blobs.of("blob")) (\(outcome.bytes.byteCount)) and \(outcome.rows.of("row")) of the index"
        )
        let absent: [ContentState] = [.archived, .refused, .gone, .pruned]
        let parts = absent.compactMap { state in outcome.absent[state].map { "\(state.rawValue): \($0.text)" } }
        if !parts.isEmpty {
            Console.note("not in the store, as 'icecore status' says: \(parts.joined(separator: "; "))")
        }
        if outcome.indexIsDamaged {
            throw IcecoreError(
                .damaged,
                "the index is damaged: 'icecore reindex' rebuilds it from the inventories kept in the store")
        }
        if repair { return try concludeRepair(outcome) }
        if outcome.damaged > 0 {
            throw IcecoreError(
                .damaged,
                "\(VerifyCommand.damage(outcome)) damaged or cannot be read; 'icecore verify --repair' fetches blobs again"
            )
        }
        if outcome.missingPacks > 0 {
            let (packs, be) = (outcome.missingPacks, outcome.missingPacks.verb("is", "are"))
            throw IcecoreError(
                .incomplete,
                "\(packs.of("pack")) \(be) missing, and \(outcome.missing.of("version")) \(outcome.missing.verb("lacks its", "lack their")) blob; 'icecore verify --repair' tries to fetch what was in there"
            )
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing.of("version")) \(outcome.missing.verb("lacks its", "lack their")) blob; 'icecore verify --repair' tries to fetch \(outcome.missing.verb("it", "them"))"
            )
        }
    }

    /// Ends in a verb.
    private static func damage(_ outcome: VerifyOutcome) -> String {
        let files = outcome.damaged - outcome.damagedContents
        var parts: [String] = []
        if files > 0 || outcome.damagedContents == 0 { parts.append(files.of("file")) }
        if outcome.damagedContents > 0 { parts.append("\(outcome.damagedContents.of("content")) of packs") }
        return "\(parts.joined(separator: " and ")) \(outcome.damaged.verb("is", "are"))"
    }

    private func concludeRepair(_ outcome: VerifyOutcome) throws {
        let rest = outcome.damaged - outcome.quarantined - outcome.mended
        let packs = outcome.rewrittenPacks > 0 ? "wrote \(outcome.rewrittenPacks.of("pack")) anew, " : ""
        Console.note(
            "moved \(outcome.quarantined.of("damaged blob")) to quarantine/, \(packs)fetched \(outcome.repaired.of("content")) again"
        )
        if outcome.gone > 0 || rest > 0 {
            var parts: [String] = []
            if outcome.gone > 0 {
                parts.append("\(outcome.gone.of("version")) \(outcome.gone.verb("is", "are")) gone for good")
            }
            if rest > 0 {
                parts.append(
                    "\(rest.of("file")) \(rest.verb("is", "are")) damaged or unreadable in ways that --repair does not fix"
                )
            }
            throw IcecoreError(.damaged, parts.joined(separator: "; "))
        }
        if outcome.stillMissing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.stillMissing.of("version")) could not be fetched; the next sync tries again")
        }
    }

    // MARK: - Arguments

    private static func share(_ text: String) throws -> Double {
        let digits = text.hasSuffix("%") ? String(text.dropLast()) : text
        guard let percent = Double(digits), percent > 0, percent <= 100 else {
            throw ValidationError("'\(text)' is not a percentage: write 5%")
        }
        return percent / 100
    }

    private static func instant(_ text: String) throws -> Timestamp {
        switch try? When(text) {
        case .instant(let time), .date(let time): return time
        case .age(let age): return Timestamp(milliseconds: Timestamp.now().milliseconds.addingClamped(-age))
        case .latest, .inventory, nil:
            throw ValidationError("'\(text)' is not a time: write 2024-11-06, 2024-11-06T12:00:00Z or 30d")
        }
    }
}

private struct DistantFinding: Encodable {
    let path: String
    let reason: String
}
