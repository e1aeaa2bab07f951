import ArgumentParser
import Basics
import Sync

struct ReindexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reindex", abstract: "Rebuild the index from the inventories kept in the store.",
        discussion: """
            The old index moves to quarantine/ once the new one is complete. What inventories do not record (part \
            sizes, digests of encrypted objects, headers, what is gone for good) is copied from the old one, as far as \
            it can be read. Mounts keep using the old index until they are remounted.
            """)

    @Flag(
        name: .customLong("accept-loss"),
        help: "Continue even if the inventories of some snapshots were not kept: those snapshots are lost.")
    var acceptLoss = false

    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        try store.refuseObjectStore(
            "'icecore reindex'", instead: "'icecore clone' makes a store of what is there, with its index")
        let reporter = TerminalSyncReporter()
        let outcome = try interruptible(reporter.line, "The old index is unchanged.") {
            try Reindex(store, acceptsLoss: acceptLoss, environment: Console.environment, reporter: reporter).run()
        }
        let output = Output()
        if format.json {
            for name in outcome.rebuilt { try output.record(ReindexRecord(name: name, rebuilt: true)) }
            for name in outcome.lost { try output.record(ReindexRecord(name: name, rebuilt: false)) }
        } else {
            try output.line(
                "rebuilt the index from \(outcome.rebuilt.count.of("inventory")), \(outcome.rebuilt.first ?? "") to "
                    + "\(outcome.rebuilt.last ?? "")")
            if let old = outcome.oldIndex { try output.line("the old index is now '\(old)'") }
        }
        try output.flush()
    }
}

private struct ReindexRecord: Encodable {
    let name: String
    let rebuilt: Bool
}
