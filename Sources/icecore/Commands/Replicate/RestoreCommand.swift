import ArgumentParser
import Basics
import Restore

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put the bucket as of a date back into a bucket.",
        discussion: """
            Afterwards the target has every object of the view under PREFIX + key, with its content, headers, metadata and \
            tags. What is there already is left alone. What the store's own bucket still has is copied inside S3; the rest \
            is uploaded from the store, in the parts in which it was once uploaded, so that it gets its ETag back. What the \
            target has besides stays, unless --delete is given; where the bucket has versions, they all stay. Run the same \
            command again to resume.
            """)

    @Argument(help: ArgumentHelp("The target: s3://BUCKET or s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @OptionGroup var viewOptions: ViewOptions

    @Option(help: "Only keys that start with this.")
    var prefix = ""

    @Flag(help: "Delete what the target has under PREFIX and the view does not show.")
    var delete = false

    @Flag(name: .customLong("dry-run"), help: "Only show what would be written and deleted.")
    var dryRun = false

    @Flag(help: "Ask for the headers and tags of everything again, even of what an earlier restore has seen.")
    var check = false

    @OptionGroup var flags: TargetFlags
    @OptionGroup var jobs: JobsOption
    @OptionGroup var rate: LimitRateOption
    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        try store.refuseObjectStore(
            "'icecore restore'", instead: "restore from a clone of it")
        let target = try RestoreTarget(url, flags.access(limitRate: rate.limitRate), for: store)
        if target.isOwnBucket, viewOptions.at == nil {
            throw IcecoreError(
                .usage,
                "\(target) is the bucket that this store keeps, and the latest date is what it is already: say which date "
                    + "to restore with --at")
        }
        let reader = try store.reader()
        let view = try viewOptions.view(reader)
        var restoreOptions = RestoreOptions(environment: Console.environment)
        restoreOptions.jobs = jobs.jobs
        restoreOptions.isDeleting = delete
        restoreOptions.isDryRun = dryRun
        restoreOptions.isChecking = check
        announce(target)
        let line = ProgressLine()
        let reporter = RestoreReporter(line)
        let restore = Restore(
            store, reader, view, to: target, restoreOptions, report: reporter.report
        ) { outcome in
            line.show(dryRun ? "comparing" : "restoring", text: RestoreCommand.progress(outcome))
        }
        let outcome = try interruptible(
            line, dryRun ? "Nothing was changed." : "What was restored stays: run the same command again to resume."
        ) {
            try restore.run(prefix: Array(prefix.utf8))
        }
        reporter.finish()
        try summary(outcome)
        if outcome.unavailable.objects + outcome.failed.objects > 0 {
            throw IcecoreError(.incomplete, incompleteness(outcome))
        }
    }

    /// Says what is about to happen, before anything is written.
    private func announce(_ target: RestoreTarget) {
        if dryRun { return }
        let way =
            target.isOwnBucket ? "copying what it still has, and uploading the rest" : "uploading what is not there"
        let rest = delete ? "what it has besides is deleted" : "what it has besides stays"
        Console.note("restoring to \(target): \(way); \(rest)")
    }

    private static func progress(_ outcome: RestoreOutcome) -> String {
        let written = outcome.copied.objects + outcome.uploaded.objects + outcome.retagged.objects
        let bytes = outcome.copied.bytes + outcome.uploaded.bytes
        var text = "\(outcome.done) objects compared, \(written) written (\(bytes.byteCount))"
        if outcome.deleted.objects > 0 { text += ", \(outcome.deleted.objects) deleted" }
        let bad = outcome.unavailable.objects + outcome.failed.objects
        return bad > 0 ? "\(text), \(bad) failed" : text
    }

    private func incompleteness(_ outcome: RestoreOutcome) -> String {
        var parts: [String] = []
        if outcome.unavailable.objects > 0 {
            parts.append(
                "\(outcome.unavailable.objects) objects \(dryRun ? "could" : "were") not "
                    + "\(dryRun ? "be " : "")restored: their content is not to be had")
        }
        if outcome.failed.objects > 0 {
            parts.append("\(outcome.failed.objects) objects were refused by the target")
        }
        return parts.joined(separator: "; ")
    }

    private func summary(_ outcome: RestoreOutcome) throws {
        let output = Output()
        if format.json {
            try output.record(RestoreRecord(outcome, dryRun: dryRun))
            return try output.flush()
        }
        let lines: [(String, RestoreOutcome.Tally)] = [
            ("equal already", outcome.equal), ("copied inside S3", outcome.copied), ("uploaded", outcome.uploaded),
            ("given their tags", outcome.retagged), ("deleted", outcome.deleted), ("unavailable", outcome.unavailable),
            ("failed", outcome.failed),
        ]
        if dryRun { try output.line("if it were restored:") }
        for (name, tally) in lines where tally.objects > 0 || name == "equal already" {
            try output.line("\(tally.objects) \(name), \(tally.bytes.byteCount)")
            if dryRun, name == "copied inside S3" {
                try output.line("    where the bucket still has those versions; what it lacks is uploaded")
            }
        }
        if outcome.otherETags > 0 {
            try output.line(
                "\(outcome.otherETags) of them have another ETag than before, because the one they had is no digest of "
                    + "their parts, or the target encrypts them")
        }
        try output.flush()
    }
}

/// Says what becomes of single objects: at a terminal ten of each kind, else all.
private final class RestoreReporter {
    private let line: ProgressLine
    private let isTerminal = Console.isTerminal(2)
    private var counts: [String: Int] = [:]
    private static let examples = 10

    init(_ line: ProgressLine) {
        self.line = line
    }

    func report(_ event: RestoreEvent) {
        switch event {
        case .unavailable(let key, let reason): note("unavailable", key, reason)
        case .failed(let key, let reason): note("failed", key, reason)
        case .wouldDelete(let key): note("would be deleted", key, nil)
        }
    }

    /// Says how many there were of what only examples were shown.
    func finish() {
        line.clear()
        for (kind, count) in counts.sorted(by: { $0.key < $1.key }) where isTerminal && count > RestoreReporter.examples
        {
            Console.note("\(kind): \(count - RestoreReporter.examples) more")
        }
    }

    private func note(_ kind: String, _ key: [UInt8], _ reason: String?) {
        counts[kind, default: 0] += 1
        if isTerminal, counts[kind, default: 0] > RestoreReporter.examples { return }
        let text = "\(kind): \(String(decoding: key, as: UTF8.self))"
        line.note(reason.map { "\(text): \($0)" } ?? text)
    }
}

private struct RestoreRecord: Encodable {
    let dryRun: Bool
    let equal: Int64
    let equalBytes: Int64
    let copied: Int64
    let copiedBytes: Int64
    let uploaded: Int64
    let uploadedBytes: Int64
    let retagged: Int64
    let retaggedBytes: Int64
    let deleted: Int64
    let deletedBytes: Int64
    let unavailable: Int64
    let unavailableBytes: Int64
    let failed: Int64
    let failedBytes: Int64
    let otherETags: Int64
    let requests: Int

    init(_ outcome: RestoreOutcome, dryRun: Bool) {
        self.dryRun = dryRun
        (equal, equalBytes) = (outcome.equal.objects, outcome.equal.bytes)
        (copied, copiedBytes) = (outcome.copied.objects, outcome.copied.bytes)
        (uploaded, uploadedBytes) = (outcome.uploaded.objects, outcome.uploaded.bytes)
        (retagged, retaggedBytes) = (outcome.retagged.objects, outcome.retagged.bytes)
        (deleted, deletedBytes) = (outcome.deleted.objects, outcome.deleted.bytes)
        (unavailable, unavailableBytes) = (outcome.unavailable.objects, outcome.unavailable.bytes)
        (failed, failedBytes) = (outcome.failed.objects, outcome.failed.bytes)
        otherETags = outcome.otherETags
        requests = outcome.requests
    }
}
