import ArgumentParser
import Basics
import Model
import Packing
import Store

struct PackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack", abstract: "Move small contents into packs, or all of them out again.",
        discussion: """
            A pack is a file of about 64 MiB that holds many small contents side by side, in the order of their keys: fewer \
            files, less space, and far fewer seeks. What reads the store reads packs as well. With --below 0 everything \
            becomes a file of its own again.
            """)

    @Option(
        help: ArgumentHelp(
            """
            Pack what is smaller than this: 16K, 64K, 1M (units of 1024); 0: nothing. Syncs do the same from then on. \
            Default: as before, or 64K.
            """, valueName: "size"),
        transform: { try ByteSize.parse($0, 0...StoreConfiguration.mostPackBelow) })
    var below: Int64?

    @Flag(name: .customLong("dry-run"), help: "Only show what would be moved, and what it would save.")
    var dryRun = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.openForSorting()
        try store.refuseObjectStore(
            "'icecore pack'", instead: "each sync packs what it fetches")
        let limit = below ?? store.configuration.packBelow ?? Packing.usualLimit
        let line = ProgressLine()
        let show = { (progress: PackingProgress) in
            line.show(
                limit == 0 ? "unpacking" : "packing", text: "\(progress.contents) contents, \(progress.bytes.byteCount)"
            )
        }
        let advice = "Every content is still there: run the same command again to go on."
        let outcome = try interruptible(line, advice) {
            limit == 0
                ? try Unpacking(store, isDryRun: dryRun, progress: show).run()
                : try Packing(store, below: limit, isDryRun: dryRun, progress: show).run()
        }
        let output = Output()
        if format.json {
            try output.record(PackingRecord(outcome, limit: limit, dryRun: dryRun))
        } else {
            try describe(outcome, limit, output)
        }
        try output.flush()
        guard outcome.damagedCount > 0 else { return }
        for name in outcome.damaged { Console.error("\(Display.line(name)) is damaged: it stays where it is") }
        throw IcecoreError(
            .incomplete,
            "\(outcome.damagedCount.of("content")) not moved: 'icecore verify --repair' fetches what is damaged again")
    }

    private func describe(_ outcome: PackingOutcome, _ limit: Int64, _ output: Output) throws {
        let would = dryRun ? "would be " : ""
        let way = limit == 0 ? "moved out of" : "moved into"
        try output.line(
            "\(outcome.contents.of("content")) (\(outcome.bytes.byteCount)) \(would)\(way) \(outcome.packs.of("pack"))")
        if outcome.duplicates > 0 {
            try output.line("\(outcome.duplicates.of("file")) \(would)removed, whose content is in a pack already")
        }
        try output.line(
            "disk space: \(outcome.diskBytesBefore.byteCount) before, \(outcome.diskBytesAfter.byteCount) after")
    }
}

private struct PackingRecord: Encodable {
    let dryRun: Bool
    let below: Int64
    let contents: Int
    let bytes: Int64
    let duplicates: Int
    let packs: Int
    let diskBytesBefore: Int64
    let diskBytesAfter: Int64
    let damaged: Int

    init(_ outcome: PackingOutcome, limit: Int64, dryRun: Bool) {
        self.dryRun = dryRun
        below = limit
        contents = outcome.contents
        bytes = outcome.bytes
        duplicates = outcome.duplicates
        packs = outcome.packs
        diskBytesBefore = outcome.diskBytesBefore
        diskBytesAfter = outcome.diskBytesAfter
        damaged = outcome.damagedCount
    }
}
