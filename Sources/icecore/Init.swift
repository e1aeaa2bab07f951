import ArgumentParser
import Basics
import Inventory
import Model
import S3
import Store

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a store for one bucket.")

    @Argument(help: ArgumentHelp("A new or empty directory.", valueName: "store"))
    var store: String

    @Option(help: ArgumentHelp("The bucket to keep: s3://NAME.", valueName: "url"))
    var bucket: String

    @Option(
        help: ArgumentHelp(
            "Where its inventories are: s3://BUCKET/PREFIX/ or file:///DIRECTORY/ (the folder that holds the dates).",
            valueName: "url"))
    var inventory: String?

    @Option(help: "The bucket's region.")
    var region: String?

    @Option(name: .customLong("endpoint-url"), help: ArgumentHelp("An S3-compatible server.", valueName: "url"))
    var endpointURL: String?

    @Option(help: "The profile in ~/.aws to take credentials from.")
    var profile: String?

    @Flag(name: .customLong("no-sign-request"), help: "Send requests without a signature.")
    var noSignRequest = false

    @Option(name: .customLong("request-payer"), defaultAsFlag: .requester, help: RequestPayer.help)
    var requestPayer: RequestPayer?

    @Option(
        help: ArgumentHelp(
            "Download only keys in which this regular expression matches, now and ever.", valueName: "regex"))
    var filter: String?

    @Option(
        name: .customLong("keep-inventories"),
        help: ArgumentHelp("Keep the newest n inventories in the store, or all (the default).", valueName: "n"))
    var keepInventories: KeptCount?

    @Flag(
        name: .customLong("distrust-etags"),
        help: "Fetch every version on its own and file it under its SHA-256: for buckets that strangers write to.")
    var distrustETags = false

    func run() throws {
        let bucket = try InitArguments.bucket(bucket)
        if let inventory { _ = try InventoryURL(inventory) }
        if let filter { _ = try Policy.expression(filter) }
        // What a sync would refuse, and above all a password in a URL, must not get into the configuration.
        _ = try S3Configuration(region: region, endpointURL: endpointURL, unsigned: true, environment: [:])
        var configuration = StoreConfiguration(bucket: bucket, inventory: inventory)
        configuration.region = region
        configuration.endpointURL = endpointURL
        configuration.profile = profile
        configuration.noSignRequest = noSignRequest ? true : nil
        configuration.requesterPays = requestPayer != nil ? true : nil
        configuration.filter = filter
        configuration.keepInventories = keepInventories?.limit
        if distrustETags { configuration.distrustETags() }
        let made = try Store.create(at: store, configuration)
        Console.note("made a store for s3://\(bucket) at \(made.path)")
        if inventory == nil {
            Console.note(
                "it has no inventory yet: add \"inventory\" to \(made.configurationPath) before the first sync")
        }
    }
}

private enum InitArguments {
    /// The name in `s3://NAME`.
    static func bucket(_ url: String) throws -> String {
        guard url.hasPrefix("s3://") else {
            throw IcecoreError(.usage, "--bucket '\(url)' must have the form s3://NAME")
        }
        var name = url.dropFirst(5)
        if name.hasSuffix("/") { name.removeLast() }
        // The rules of S3, as far as a name that breaks them could be mistaken for something else.
        let allowed = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                || [45, 46, 95].contains(byte)
        }
        guard (3...255).contains(name.utf8.count), allowed else {
            throw IcecoreError(
                .usage,
                "--bucket '\(url)': a bucket's name has 3 characters or more, only letters, digits, '.', '-' "
                    + "and '_' (and no prefix)")
        }
        return String(name)
    }
}
