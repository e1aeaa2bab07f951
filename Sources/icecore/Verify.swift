import ArgumentParser
import Basics
import Verify

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every blob, the index and the kept inventories.",
        discussion: """
            Prints what is damaged, missing or foreign, a line each, and nothing that is sound. Goes on where an \
            interrupted verification stopped. Exit status: 0 nothing is damaged or missing, 1 something is damaged, \
            3 something is missing.
            """)

    @Flag(help: "Move damaged blobs to quarantine/, and fetch them and what is missing from the bucket.")
    var repair = false

    @Option(
        help: ArgumentHelp("Look at this share of the blobs only, drawn anew each time.", valueName: "percent"),
        transform: VerifyCommand.share)
    var sample: Double?

    @Option(
        help: ArgumentHelp(
            "Pass over what was verified at this time or later: 2024-11-06, 2024-11-06T12:00:00Z, or an age such as 30d.",
            valueName: "when"),
        transform: VerifyCommand.instant)
    var since: Timestamp?

    @Option(
        name: .customLong("limit-rate"),
        help: ArgumentHelp("Read at most so many bytes a second, such as 50M.", valueName: "size"),
        transform: { try ByteSize.parse($0, 1024...(1 << 50)) })
    var limitRate: Int64?

    @Flag(name: .customLong("index-only"), help: "Check the index alone.")
    var indexOnly = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if indexOnly, repair || sample != nil || since != nil {
            throw ValidationError("--index-only goes with none of --repair, --sample and --since")
        }
    }

    func run() throws {
        var verifyOptions = VerifyOptions()
        verifyOptions.sample = sample
        verifyOptions.since = since
        verifyOptions.rate = limitRate
        verifyOptions.indexOnly = indexOnly
        let store = try options.openForSorting()
        let reporter = FindingReporter(json: format.json)
        let outcome: VerifyOutcome
        do {
            outcome =
                repair
                ? try Repair(store, verifyOptions, environment: Console.environment, reporter: reporter).run()
                : try VerifyRun(store, verifyOptions, reporter: reporter).run()
        } catch let error as IcecoreError where error.code == .interrupted {
            reporter.clear()
            throw IcecoreError(.interrupted, "The same command goes on where this one stopped.")
        } catch {
            reporter.clear()
            throw error
        }
        reporter.clear()
        try conclude(outcome)
    }

    private func conclude(_ outcome: VerifyOutcome) throws {
        Console.note(
            indexOnly
                ? "checked \(outcome.rows) rows of the index"
                : "checked \(outcome.blobs) blobs (\(outcome.bytes.byteCount)) and \(outcome.rows) rows of the index")
        if outcome.indexIsDamaged {
            throw IcecoreError(
                .damaged,
                "the index is damaged: 'icecore reindex' makes it again from the inventories that the store keeps")
        }
        if repair { return try concludeRepair(outcome) }
        if outcome.damaged > 0 {
            throw IcecoreError(
                .damaged,
                "\(outcome.damaged) files are damaged or cannot be read; 'icecore verify --repair' fetches blobs again")
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing) versions lack their blob; 'icecore verify --repair' tries to fetch them")
        }
    }

    private func concludeRepair(_ outcome: VerifyOutcome) throws {
        let rest = outcome.damaged - outcome.quarantined
        Console.note(
            "moved \(outcome.quarantined) damaged blobs to quarantine/, fetched \(outcome.repaired) contents again")
        if outcome.lost > 0 || rest > 0 {
            var parts: [String] = []
            if outcome.lost > 0 { parts.append("\(outcome.lost) versions are gone for good") }
            if rest > 0 { parts.append("\(rest) files are damaged or unreadable in ways that a repair leaves alone") }
            throw IcecoreError(.damaged, parts.joined(separator: "; "))
        }
        if outcome.stillMissing > 0 {
            throw IcecoreError(
                .incomplete, "\(outcome.stillMissing) versions could not be had; they are tried again at the next sync")
        }
    }

    // MARK: - Arguments

    private static func share(_ text: String) throws -> Double {
        let digits = text.hasSuffix("%") ? String(text.dropLast()) : text
        guard let percent = Double(digits), percent > 0, percent <= 100 else {
            throw ValidationError("'\(text)' is no share: write 5%")
        }
        return percent / 100
    }

    private static func instant(_ text: String) throws -> Timestamp {
        if let time = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "T00:00:00Z") { return time }
        let hours: [Character: Int64] = ["h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365]
        guard let unit = text.last.flatMap({ hours[$0] }), let number = Int64(text.dropLast()),
            (0...100_000).contains(number)
        else {
            throw ValidationError("'\(text)' is no time: write 2024-11-06, 2024-11-06T12:00:00Z or 30d")
        }
        return Timestamp(milliseconds: Timestamp.now().milliseconds - number * unit * 3_600_000)
    }
}

/// Prints findings as they come, and the progress between them.
private final class FindingReporter: VerifyReporter {
    private let json: Bool
    private let output = Output()
    private let line = ProgressLine()

    init(json: Bool) {
        self.json = json
    }

    func clear() {
        line.clear()
    }

    func note(_ text: String) {
        line.clear()
        Console.note(Display.line(text))
    }

    func warning(_ text: String) {
        line.clear()
        Console.note("warning: \(Display.line(text))")
    }

    func finding(_ finding: Finding) throws {
        line.clear()
        if json {
            var json = JSONLine()
            json.begin()
            json.add("kind", finding.kind.rawValue)
            json.add("path", finding.path)
            json.add("reason", finding.reason)
            if let key = finding.key { json.add("key", text: key) } else { json.addNull("key") }
            json.add(versionId: finding.versionId)
            json.add("lastModified", finding.lastModified?.rfc3339)
            json.end()
            try output.write(json.bytes)
        } else {
            try output.write(
                "\(finding.kind.rawValue): \(Display.line(finding.path)): \(Display.line(finding.reason))".utf8)
            if let key = finding.key {
                try output.write("; needed by '".utf8)
                try output.name(key.map { $0 == 10 ? UInt8(ascii: "?") : $0 })
                try output.write("' of \(finding.lastModified?.rfc3339 ?? "unknown date")".utf8)
                if let id = finding.versionId {
                    try output.write(" (version \(Display.line(String(decoding: id, as: UTF8.self))))".utf8)
                }
            }
            try output.write([UInt8(ascii: "\n")])
        }
        try output.flush()
    }

    func progress(_ progress: VerifyProgress) {
        switch progress {
        case .index:
            line.draw("index", "", nil)
        case .inventories(let done, let count):
            line.draw("inventories", "\(done) of \(count)", Double(done) / Double(max(1, count)))
        case .blobs(let fraction, let blobs, let bytes, let findings):
            line.draw(
                "blobs", "\(blobs) blobs, \(bytes.byteCount)" + (findings > 0 ? ", \(findings) damaged" : ""), fraction)
        case .rows(let rows):
            line.draw("rows", "\(rows)", nil)
        case .fetching(let objects, let bytes, let failed):
            line.draw(
                "fetching", "\(objects) objects, \(bytes.byteCount)" + (failed > 0 ? ", \(failed) failed" : ""), nil)
        }
    }
}
