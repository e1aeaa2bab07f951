import ArgumentParser
import Basics
import Store
import Sync

struct ReindexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reindex", abstract: "Make the index again, from the inventories that the store keeps.",
        discussion: """
            The old index goes to quarantine/ when the new one is whole. What inventories do not say (part sizes, digests \
            of encrypted objects, headers, what is gone for good) is taken from the old one, as far as it can be read. \
            Mounts of the store go on with the old index until they are mounted anew.
            """)

    @Flag(
        name: .customLong("accept-loss"),
        help: "Go on even if the inventories of some snapshots were not kept: these snapshots are given up.")
    var acceptLoss = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reporter = TerminalSyncReporter()
        let outcome = try interruptible(reporter.line, "The old index is as it was.") {
            try Reindex(store, acceptsLoss: acceptLoss, environment: Console.environment, reporter: reporter).run()
        }
        let output = Output()
        if format.json {
            for name in outcome.rebuilt { try output.record(ReindexRecord(name: name, rebuilt: true)) }
            for name in outcome.lost { try output.record(ReindexRecord(name: name, rebuilt: false)) }
        } else {
            try output.line(
                "made the index again from \(outcome.rebuilt.count) inventories, \(outcome.rebuilt.first ?? "") to "
                    + "\(outcome.rebuilt.last ?? "")")
            if let old = outcome.oldIndex { try output.line("the old index is '\(old)'") }
        }
        try output.flush()
    }
}

private struct ReindexRecord: Encodable {
    let name: String
    let rebuilt: Bool
}
