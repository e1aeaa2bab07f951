import ArgumentParser
import Basics
import Export

extension LinkKind: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write the bucket as of a date to a directory.",
        discussion: """
            Files are named as in a mount. Existing files of the right size and time are skipped, so the same command \
            resumes an interrupted export; other files in the directory are left alone. Hard links are the store's own \
            files: read-only, and dated when the store got them.
            """)

    @Argument(help: ArgumentHelp("The directory; created if missing.", valueName: "destination"))
    var destination: String

    @OptionGroup var viewOptions: ViewOptions

    @Option(help: "Only keys that start with this.")
    var prefix = ""

    @Option(
        help: ArgumentHelp(
            "How to make files: auto (clones where the file system can, else copies), hard, reflink or copy.",
            valueName: "kind"))
    var link = LinkKind.auto

    @Flag(name: .customLong("dry-run"), help: "Only show what would be written.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        let view = try viewOptions.view(reader)
        let output = Output()
        let line = ProgressLine()
        let export = Export(store, reader, view, link: link, isDryRun: dryRun) { key, reason in
            line.clear()
            try report(key, reason, output)
        } progress: { outcome in
            line.show("exporting", text: "\(outcome.files) files, \(outcome.bytes.byteCount)")
        }
        let outcome = try interruptible(line, "Run the same command again to resume.") {
            try export.run(to: destination, prefix: Array(prefix.utf8))
        }
        try summary(outcome, output)
        try output.flush()
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing) files \(dryRun ? "could" : "were") not \(dryRun ? "be " : "")written: their "
                    + "content is not in the store ('icecore sync' fetches what the bucket still has)")
        }
    }

    private func report(_ key: [UInt8], _ reason: MissingReason, _ output: Output) throws {
        guard format.json else {
            return Console.note("\(reason.rawValue): \(Display.line(String(decoding: key, as: UTF8.self)))")
        }
        var json = JSONLine()
        json.begin()
        json.add("key", text: key)
        json.add("missing", reason.rawValue)
        json.end()
        try output.write(json.bytes)
    }

    private func summary(_ outcome: ExportOutcome, _ output: Output) throws {
        if format.json { return try output.record(ExportRecord(outcome, dryRun: dryRun)) }
        if dryRun {
            return try output.line(
                "\(outcome.files) files, \(outcome.bytes) bytes (\(outcome.bytes.byteCount)) would be exported")
        }
        try output.line(
            "\(outcome.files) files, \(outcome.bytes.byteCount): \(outcome.linked) hard links, "
                + "\(outcome.cloned) clones, \(outcome.copied) copies, \(outcome.skipped) already there")
        if outcome.linked > 0 {
            Console.note("hard links are the store's own files: read-only, and without the bucket's times")
        }
    }
}

private struct ExportRecord: Encodable {
    let dryRun: Bool
    let files: Int
    let bytes: Int64
    let skipped: Int
    let linked: Int
    let cloned: Int
    let copied: Int
    let missing: Int

    init(_ outcome: ExportOutcome, dryRun: Bool) {
        self.dryRun = dryRun
        files = outcome.files
        bytes = outcome.bytes
        skipped = outcome.skipped
        linked = outcome.linked
        cloned = outcome.cloned
        copied = outcome.copied
        missing = outcome.missing
    }
}
