import ArgumentParser
import Basics
import Export

extension LinkKind: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write the bucket as of a date to a directory.",
        discussion: """
            Files are named as in a mount. Existing files of the right size and time are skipped, so the same command \
            resumes an interrupted export; other files in the directory are left alone. With --delete, files that an \
            earlier export wrote and the view does not show are removed. What the target cannot have, such as two names \
            that it takes for one, is named and left out. Hard links are the store's own files: read-only, and dated \
            when the store got them.
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

    @Flag(help: "Remove what an earlier export wrote and the view does not show.")
    var delete = false

    @Flag(name: .customLong("dry-run"), help: "Only show what would be written and removed.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        try store.refuseObjectStore(
            "'icecore export'", instead: "'icecore mount' shows them, and a clone can be exported")
        let reader = try store.reader()
        let view = try viewOptions.view(reader)
        let output = Output()
        let line = ProgressLine()
        let reporter = ExportReporter(output, line, json: format.json, isDryRun: dryRun)
        let export = Export(
            store, reader, view, link: link, isDeleting: delete, isDryRun: dryRun, report: reporter.report
        ) { outcome in
            line.show("exporting", text: "\(outcome.files.of("file")), \(outcome.bytes.byteCount)")
        }
        let outcome = try interruptible(line, "Run the same command again to resume.") {
            try export.run(to: destination, prefix: Array(prefix.utf8))
        }
        reporter.finish()
        try summary(outcome, output)
        try output.flush()
        if !format.json, let remark = try reader.nothingMatches(prefix, view) { Console.note(remark) }
        if outcome.missing + outcome.leftOut > 0 {
            throw IcecoreError(.incomplete, incompleteness(outcome))
        }
    }

    /// What an export that is not whole ends with.
    private func incompleteness(_ outcome: ExportOutcome) -> String {
        func verb(_ count: Int) -> String {
            dryRun ? "could not be written" : count == 1 ? "was not written" : "were not written"
        }
        var parts: [String] = []
        if outcome.missing > 0 {
            parts.append(
                "\(outcome.missing.of("file")) \(verb(outcome.missing)): the content is not in the store, or cannot be read there "
                    + "('icecore verify --repair' fetches what the bucket still has)")
        }
        if outcome.leftOut > 0 {
            parts.append(
                "\(outcome.leftOut.of("file")) \(verb(outcome.leftOut)): the target cannot have \(outcome.leftOut == 1 ? "it" : "them"), or something is in the way"
            )
        }
        return parts.joined(separator: "; ")
    }

    private func summary(_ outcome: ExportOutcome, _ output: Output) throws {
        if format.json { return try output.record(ExportRecord(outcome, dryRun: dryRun)) }
        if dryRun {
            try output.line(
                "\(outcome.files.of("file")), \(outcome.bytes.of("byte")) (\(outcome.bytes.byteCount)) would be exported, "
                    + "\(outcome.skipped) of them already there")
            if delete { try output.line("\(outcome.deleted.of("file")) would be removed") }
            return
        }
        try output.line(
            "\(outcome.files.of("file")), \(outcome.bytes.byteCount): \(outcome.linked.of("hard link")), "
                + "\(outcome.cloned.of("clone")), \(outcome.copied.of("copy")), "
                + "\(outcome.skipped) already there"
                + (delete || outcome.deleted > 0 ? ", \(outcome.deleted) removed" : ""))
        if outcome.linked > 0 {
            Console.note("hard links are the store's own files: read-only, and without the bucket's times")
        }
    }
}

/// Says what becomes of single files: in text ten of each kind, as a record all of them.
private final class ExportReporter {
    private let output: Output
    private let line: ProgressLine
    private let json: Bool
    private let isDryRun: Bool
    private var counts: [String: Int] = [:]
    private static let examples = 10

    init(_ output: Output, _ line: ProgressLine, json: Bool, isDryRun: Bool) {
        (self.output, self.line, self.json, self.isDryRun) = (output, line, json, isDryRun)
    }

    func report(_ event: ExportEvent) throws {
        switch event {
        case .missing(let key, let reason, let cause):
            if json { return try record("key", key, cause) { $0.add("missing", reason.rawValue) } }
            note(reason.rawValue, key, cause)
        case .leftOut(let key, let reason, let cause):
            if json { return try record("key", key, cause) { $0.add("leftOut", reason.rawValue) } }
            note("left out (\(ExportReporter.text(reason)))", key, cause)
        case .deleted(let path):
            if json { return try record("path", path) { $0.add("deleted", true) } }
            guard isDryRun else { return }
            try output.write(Array("delete ".utf8))
            try output.name(path)
            try output.line("")
        }
    }

    /// Says how many there were of what only examples were shown.
    func finish() {
        for (kind, count) in counts.sorted(by: { $0.key < $1.key }) where count > ExportReporter.examples {
            Console.note("\(kind): \(count - ExportReporter.examples) more")
        }
    }

    private static func text(_ reason: LeftOutReason) -> String {
        switch reason {
        case .sameName: "the target takes its name for another key's"
        case .name: "the target cannot have its name"
        case .tooLarge: "too large for the target"
        case .inTheWay: "something is in the way: move it elsewhere"
        }
    }

    private func note(_ kind: String, _ key: [UInt8], _ cause: String?) {
        counts[kind, default: 0] += 1
        if counts[kind, default: 0] > ExportReporter.examples { return }
        line.clear()
        let text = "\(kind): \(Display.line(String(decoding: key, as: UTF8.self)))"
        Console.note(cause.map { "\(text): \(Display.line($0))" } ?? text)
    }

    private func record(
        _ name: StaticString, _ value: [UInt8], _ cause: String? = nil, _ add: (inout JSONLine) -> Void
    ) throws {
        var json = JSONLine()
        json.begin()
        json.add(name, text: value)
        add(&json)
        if let cause { json.add("cause", cause) }
        json.end()
        try output.write(json.bytes)
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
    let leftOut: Int
    let deleted: Int

    init(_ outcome: ExportOutcome, dryRun: Bool) {
        self.dryRun = dryRun
        files = outcome.files
        bytes = outcome.bytes
        skipped = outcome.skipped
        linked = outcome.linked
        cloned = outcome.cloned
        copied = outcome.copied
        missing = outcome.missing
        leftOut = outcome.leftOut
        deleted = outcome.deleted
    }
}
