import ArgumentParser
import Basics
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
        let reporter = TerminalReporter()
        let outcome: Reindex.Outcome
        do {
            outcome = try Reindex(
                store, acceptsLoss: acceptLoss, environment: Console.environment, reporter: reporter
            ).run()
        } catch let error as IcecoreError where error.code == .interrupted {
            reporter.clear()
            throw IcecoreError(.interrupted, "The old index is as it was.")
        } catch {
            reporter.clear()
            throw error
        }
        reporter.clear()
        let output = Output()
        if format.json {
            var json = JSONLine()
            for (names, isRebuilt) in [(outcome.rebuilt, true), (outcome.lost, false)] {
                for name in names {
                    json.begin()
                    json.add("name", name)
                    json.add("rebuilt", isRebuilt)
                    json.end()
                    try output.write(json.bytes)
                }
            }
        } else {
            try output.line(
                "made the index again from \(outcome.rebuilt.count) inventories, \(outcome.rebuilt.first ?? "") to "
                    + "\(outcome.rebuilt.last ?? "")")
            if let old = outcome.oldIndex { try output.line("the old index is '\(old)'") }
        }
        try output.flush()
    }
}
