import ArgumentParser
import Basics
import Inventory
import Model
import S3
import Store
import Sync

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Create a store for a bucket.",
        discussion: """
            Looks at the newest inventory first, for a few seconds at most, and says what it lists, which credentials were \
            found, and what the disk has room for. Only what would stop every sync prevents the store.

            Without --inventory and --list, the bucket is asked which inventories are configured. The only one that can \
            be used is taken; if there is none, syncs list the bucket.
            """)

    @Argument(help: ArgumentHelp("A new or empty directory.", valueName: "store"))
    var store: String

    @Option(
        help: ArgumentHelp("The bucket to sync: s3://NAME, or the ARN of an access point of it.", valueName: "url"))
    var bucket: String

    @Option(
        name: .customLong("source-bucket"),
        help: ArgumentHelp(
            "What the inventories call the bucket, if it is read by another name: an access point, a replica.",
            valueName: "name"))
    var sourceBucket: String?

    @Option(
        help: ArgumentHelp(
            "Where its inventories are: s3://BUCKET/PREFIX/ or file:///DIRECTORY/ (the folder that holds the dates).",
            valueName: "url"))
    var inventory: String?

    @Flag(help: "There is no inventory: each sync lists the bucket, one request for each thousand versions.")
    var list = false

    @Option(help: "The bucket's region.")
    var region: String?

    @Option(
        name: .customLong("endpoint-url"),
        help: ArgumentHelp("The endpoint of an S3-compatible server.", valueName: "url"))
    var endpointURL: String?

    @Option(help: Addressing.help)
    var addressing: Addressing?

    @Option(help: "The profile in ~/.aws to read credentials from.")
    var profile: String?

    @Flag(name: .customLong("no-sign-request"), help: "Send unsigned requests.")
    var noSignRequest = false

    @Option(name: .customLong("request-payer"), defaultAsFlag: .requester, help: RequestPayer.help)
    var requestPayer: RequestPayer?

    @Option(
        help: ArgumentHelp(
            "Only ever download keys that match this regular expression.", valueName: "regex"))
    var filter: String?

    @Option(
        name: .customLong("keep-inventories"),
        help: ArgumentHelp("Keep the newest n inventories in the store, or all (the default).", valueName: "n"))
    var keepInventories: InventoryLimit?

    @Option(
        name: .customLong("pack-below"),
        help: ArgumentHelp(
            """
            Keep contents with fewer bytes than this together in pack files, such as 64K: less room, and faster where \
            there are millions of them. At most 64M. Default: 0, each content is a file of its own.
            """, valueName: "size"),
        transform: { try ByteSize.parse($0, 0...StoreConfiguration.mostPackBelow) })
    var packBelow: Int64?

    @Flag(
        name: .customLong("distrust-etags"),
        help: "Fetch every version separately and store it under its SHA-256: for buckets that strangers can write to.")
    var distrustETags = false

    @Option(help: HeaderPolicy.help(default: "all"))
    var headers: HeaderPolicy?

    @Option(help: ETagOption.help)
    var etags: StoreConfiguration.ETagMeaning?

    @OptionGroup var contents: ObjectStoreFlags

    func validate() throws {
        if list, inventory != nil {
            throw ValidationError("give --inventory or --list: 'icecore sync --list' takes both")
        }
    }

    func run() throws {
        let bucket = try InitArguments.bucket(bucket)
        if let inventory { _ = try InventoryURL(inventory) }
        if let filter { _ = try DownloadPolicy.expression(filter) }
        // What a sync would refuse, above all a password in a URL, must not enter the configuration.
        try S3Configuration(
            region: region, endpointURL: endpointURL, addressing: addressing, unsigned: true, environment: [:]
        ).check(bucket)
        if let sourceBucket, !S3Location.isBucketName(sourceBucket) {
            throw IcecoreError(
                .usage, "--source-bucket '\(Display.text(sourceBucket, limit: 200))' is not the name of a bucket")
        }
        var configuration = StoreConfiguration(bucket: bucket, inventory: inventory)
        configuration.region = region
        configuration.endpointURL = endpointURL
        configuration.addressing = addressing?.rawValue
        configuration.sourceBucket = sourceBucket
        configuration.lists = list ? true : nil
        if list { try InitArguments.checkForListing(configuration) }
        configuration.profile = profile
        configuration.noSignRequest = noSignRequest ? true : nil
        configuration.requesterPays = requestPayer != nil ? true : nil
        configuration.filter = filter
        configuration.keepInventories = keepInventories?.count
        configuration.pack(below: packBelow ?? 0)
        if distrustETags { configuration.distrustETags() }
        configuration.headers = headers
        if let etags { configuration.take(etags: etags) }
        try contents.apply(to: &configuration, packBelow: packBelow)
        let created = try create(configuration)
        Console.note("created a store for s3://\(bucket) at \(created.path)")
        if let place = created.configuration.objectStore {
            Console.note(
                "its contents will be at \(place.url): 'icecore work \(place.url)' on other machines helps each sync")
        }
        if created.configuration.lists ?? false {
            Console.note(
                "each sync lists the bucket: a request for each 1,000 versions, for which S3 charges about 5 USD for each "
                    + "billion versions ('icecore sync --dry-run' lists it and fetches nothing)")
        }
    }

    /// Looks at the place and at the inventory first, and leaves nothing behind if either makes a store impossible.
    private func create(_ given: StoreConfiguration) throws -> Store {
        var configuration = given
        let site = try StoreSite(store)
        do {
            var findings = try InitialLook(site, configuration, environment: Console.environment).run()
            if try InitialReports.choose(findings.reports, &configuration) {
                findings = try InitialLook(site, configuration, environment: Console.environment).run()
            }
            for line in InitialReport(
                findings: findings, inventoryURL: configuration.inventory, site: site, room: try? DiskRoom(site.path)
            ).lines {
                Console.note(line)
            }
            return try Store.create(on: site, configuration)
        } catch {
            site.abandon()
            if let error = error as? IcecoreError, error.code == .interrupted {
                throw IcecoreError(.interrupted, "No store was created.")
            }
            throw error
        }
    }
}

private enum InitArguments {
    /// A listing names its bucket, which an access point's ARN does not.
    static func checkForListing(_ configuration: StoreConfiguration) throws(IcecoreError) {
        guard !S3Location.isBucketName(configuration.listedBucket) else { return }
        throw IcecoreError(
            .usage, "an access point's ARN does not say what its bucket is called: add --source-bucket NAME")
    }

    /// The name in `s3://NAME`, or the ARN of an access point.
    static func bucket(_ url: String) throws -> String {
        if url.hasPrefix("arn:") || url.hasPrefix("s3://arn:") {
            let location = try S3Location(url.hasPrefix("s3://") ? url : "s3://\(url)")
            if location.key.isEmpty { return location.bucket }
            throw IcecoreError(.usage, "--bucket '\(Display.text(url, limit: 300))' must not have a prefix")
        }
        guard url.hasPrefix("s3://") else {
            throw IcecoreError(.usage, "--bucket '\(url)' must have the form s3://NAME")
        }
        var name = url.dropFirst(5)
        if name.hasSuffix("/") { name.removeLast() }
        // Those of S3's rules without which a name could be mistaken for something else.
        let allowed = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (97...122).contains(byte) || (65...90).contains(byte)
                || [45, 46, 95].contains(byte)
        }
        guard (3...255).contains(name.utf8.count), allowed else {
            throw IcecoreError(
                .usage,
                "--bucket '\(url)': a bucket's name has at least 3 characters, all of them letters, digits, '.', '-' "
                    + "or '_' (and no prefix)")
        }
        return String(name)
    }
}
