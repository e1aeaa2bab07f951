import ArgumentParser
import Basics
import Export

extension LinkKind: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write the bucket as it was at a date into a directory.",
        discussion: """
            Names are those of a mount. Files that are there with the right size and time are left alone, so that the \
            same command goes on where one was stopped; other files in the directory are left alone too. Hard links are \
            the store's own files: read-only, and with the time at which the store got them.
            """)

    @Argument(help: ArgumentHelp("The directory; it is made if it is missing.", valueName: "destination"))
    var destination: String

    @OptionGroup var viewOptions: ViewOptions

    @Option(help: "Only keys that begin with this.")
    var prefix = ""

    @Option(
        help: ArgumentHelp(
            "Where contents come from: auto (clones where the file system can, else copies), hard, reflink or copy.",
            valueName: "kind"))
    var link = LinkKind.auto

    @Flag(name: .customLong("dry-run"), help: "Only say what would be written.")
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
            line.show("exporting: \(outcome.files) files, \(outcome.bytes.byteCount)")
        }
        let outcome: ExportOutcome
        do {
            outcome = try export.run(to: destination, prefix: try keyBytes(prefix))
        } catch let error as IcecoreError where error.code == .interrupted {
            line.clear()
            throw IcecoreError(.interrupted, "The same command goes on where this one stopped.")
        } catch {
            line.clear()
            throw error
        }
        line.clear()
        try summary(outcome, output)
        try output.flush()
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing) files \(dryRun ? "could" : "were") not \(dryRun ? "be " : "")written: their contents "
                    + "are not in the store ('icecore sync' fetches what the bucket still has)")
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
        if format.json {
            var json = JSONLine()
            json.begin()
            json.add("dryRun", dryRun)
            json.add("files", Int64(outcome.files))
            json.add("bytes", outcome.bytes)
            json.add("skipped", Int64(outcome.skipped))
            json.add("linked", Int64(outcome.linked))
            json.add("cloned", Int64(outcome.cloned))
            json.add("copied", Int64(outcome.copied))
            json.add("missing", Int64(outcome.missing))
            json.end()
            return try output.write(json.bytes)
        }
        if dryRun {
            return try output.line(
                "\(outcome.files) files, \(outcome.bytes) bytes (\(outcome.bytes.byteCount)) would be there")
        }
        try output.line(
            "\(outcome.files) files, \(outcome.bytes.byteCount): \(outcome.linked) hard links, \(outcome.cloned) clones, "
                + "\(outcome.copied) copies, \(outcome.skipped) were there")
        if outcome.linked > 0 {
            Console.note("hard links are the store's own files: read-only, and not with the times of the bucket")
        }
    }
}
