import Adopt
import ArgumentParser
import Basics

extension AdoptLink: ExpressibleByArgument {}

struct AdoptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Take contents from a mirror that another tool has made.",
        discussion: """
            Reads a mirror by 'aws s3 sync' or rclone, a backup by s3invsync, or another store, and takes what the index \
            knows and the store lacks, in place of downloading it. A file counts once its bytes have the digest that the \
            bucket's ETag says, wherever it is and whatever it is called. What fits nothing is named and left alone. Sync \
            first, with --metadata-only, so that the index knows what the bucket has; sync afterwards for the rest.
            """)

    @Argument(help: ArgumentHelp("The tree; symbolic links in it are not followed.", valueName: "directory"))
    var directory: String

    @Option(
        help: ArgumentHelp(
            "What was mirrored, if not the whole bucket: directory/x is the key prefix + x.", valueName: "prefix"))
    var prefix = ""

    @Option(
        help: ArgumentHelp(
            """
            How contents get into the store: reflink (a clone where the file system can, else a copy), copy, hard (one file \
            under two names, made read-only: whoever changes it there all the same damages the store), or move (the tree \
            loses the file, once its content is durable in the store).
            """, valueName: "kind"))
    var link = AdoptLink.reflink

    @Flag(name: .customLong("dry-run"), help: "Read and compare everything, and take nothing.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        var adoptOptions = AdoptOptions(directory: directory)
        adoptOptions.prefix = Array(prefix.utf8)
        adoptOptions.link = link
        adoptOptions.isDryRun = dryRun
        let store = try options.openForSorting()
        try store.refuseObjectStore(
            "'icecore adopt'", instead: "'icecore sync' sends them there")
        let reporter = TerminalAdoptReporter()
        let advice =
            dryRun
            ? "Nothing was changed." : "Run the same command again to go on: what was taken is not read again."
        let outcome = try interruptible(reporter.line, advice) {
            try Adoption(store, adoptOptions, reporter: reporter).run()
        }
        reporter.finish()
        let output = Output()
        if format.json {
            try output.record(AdoptRecord(outcome, dryRun: dryRun))
        } else {
            try describe(outcome, output)
        }
        try output.flush()
        if outcome.unreadable > 0 {
            throw IcecoreError(
                .incomplete, "\(outcome.unreadable.of("file")) could not be read; run the same command again for them")
        }
    }

    private func describe(_ outcome: AdoptOutcome, _ output: Output) throws {
        let would = dryRun ? "would be " : ""
        var ways: [String] = []
        if outcome.cloned > 0 { ways.append(outcome.cloned.of("clone")) }
        if outcome.linked > 0 { ways.append(outcome.linked.of("hard link")) }
        if outcome.moved > 0 { ways.append("\(outcome.moved.of("file")) moved") }
        try output.line(
            "\(outcome.adopted.of("content")) \(would)taken, \(outcome.adoptedBytes.byteCount)"
                + (ways.isEmpty ? "" : " (\(ways.joined(separator: ", ")))"))
        try output.line(
            "\(outcome.files.of("file")) in the tree: \(outcome.alreadyThere) with contents that are already there, "
                + "\(outcome.wrong) with wrong contents, \(outcome.foreign) that \(outcome.foreign.verb("fits", "fit")) "
                + "nothing, \(outcome.unreadable) unreadable")
        try output.line(
            "\(outcome.stillWanted.of("content")) still wanted, \(outcome.stillWantedBytes.byteCount)"
                + (outcome.unverifiable > 0
                    ? ", \(outcome.unverifiable) of them with an ETag that is no digest: only a sync can get those"
                    : ""))
        if outcome.left > 0 {
            Console.note(
                "warning: \(outcome.left.of("file")) could not leave the tree, or \(outcome.left.verb("was", "were")) "
                    + "changed meanwhile: still there")
        }
    }
}

/// Names the first files that could not be taken, and counts the others.
private final class TerminalAdoptReporter: AdoptReporter {
    let line = ProgressLine()
    private var counts: [AdoptFinding: Int] = [:]
    private static let examples = 20

    func finding(_ finding: AdoptFinding, _ path: [UInt8], _ reason: String) {
        counts[finding, default: 0] += 1
        if counts[finding, default: 0] > TerminalAdoptReporter.examples { return }
        let text = "'\(String(decoding: path, as: UTF8.self))' \(reason)"
        if finding == .foreign { line.note("left alone: \(text)") } else { line.warning(text) }
    }

    /// Says how many there were of what only examples were shown.
    func finish() {
        for (finding, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue })
        where count > TerminalAdoptReporter.examples {
            let rest = count - TerminalAdoptReporter.examples
            Console.note(
                finding == .foreign ? "left alone: \(rest) more" : "warning: \(finding.rawValue): \(rest) more")
        }
    }

    func progress(_ progress: AdoptProgress) {
        switch progress {
        case .looking(let rows): line.show("looking at rows", text: "\(rows)")
        case .reading(let outcome):
            line.show(
                "adopting",
                text: "\(outcome.files.of("file")), \(outcome.bytesRead.byteCount) read, "
                    + "\(outcome.adopted.of("content")) (\(outcome.adoptedBytes.byteCount)) taken"
                    + (outcome.wrong > 0 ? ", \(outcome.wrong) wrong" : ""))
        case .recording: line.show("recording")
        }
    }
}

private struct AdoptRecord: Encodable {
    let files: Int
    let wanted: Int
    let adopted: Int
    let adoptedBytes: Int64
    let alreadyThere: Int
    let wrong: Int
    let unreadable: Int
    let foreign: Int
    let stillWanted: Int
    let stillWantedBytes: Int64
    let dryRun: Bool

    init(_ outcome: AdoptOutcome, dryRun: Bool) {
        files = outcome.files
        wanted = outcome.wanted
        adopted = outcome.adopted
        adoptedBytes = outcome.adoptedBytes
        alreadyThere = outcome.alreadyThere
        wrong = outcome.wrong
        unreadable = outcome.unreadable
        foreign = outcome.foreign
        stillWanted = outcome.stillWanted
        stillWantedBytes = outcome.stillWantedBytes
        self.dryRun = dryRun
    }
}
