import ArgumentParser
import Basics
import Foundation
import Replica
import Store

struct WorkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "work", abstract: "Help a sync of a store in an object store, from any other machine.",
        discussion: """
            Takes shares of what a sync has planned, fetches them from the bucket and sends them to the object store. \
            Needs nothing of the store but its address there, and credentials for both. Any number of machines may \
            work, each may be stopped at any time: others finish what it had begun.
            """)

    @Argument(help: ArgumentHelp("Where the store has its contents: s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @Option(
        name: .customLong("blobs-endpoint-url"),
        help: ArgumentHelp("The endpoint of that object store.", valueName: "url"))
    var blobsEndpointURL: String?

    @Option(name: .customLong("blobs-region"), help: "The region of its bucket.")
    var blobsRegion: String?

    @Option(name: .customLong("blobs-profile"), help: "The profile in ~/.aws to read its credentials from.")
    var blobsProfile: String?

    @Option(
        name: .customLong("endpoint-url"),
        help: ArgumentHelp("The endpoint of the source, if not as the sync has it.", valueName: "url"))
    var endpointURL: String?

    @Option(help: "The region of the source's bucket, if not as the sync has it.")
    var region: String?

    @Option(help: "The profile in ~/.aws to read the source's credentials from.")
    var profile: String?

    @Flag(name: .customLong("no-sign-request"), help: "Send unsigned requests to the source.")
    var noSignRequest = false

    @Option(help: ArgumentHelp("Maximum number of requests in flight.", valueName: "n"))
    var jobs = 64

    @Option(
        help: ArgumentHelp(
            "How much of the local disk contents may take on their way. Default: 2G.", valueName: "size"),
        transform: { try ByteSize.parse($0, ObjectStore.leastSpool...1 << 60) })
    var spool: Int64?

    @Option(
        name: .customLong("spool-directory"),
        help: ArgumentHelp("Where they are on their way. Default: $TMPDIR, or /var/tmp.", valueName: "directory"))
    var spoolDirectory: String?

    @OptionGroup var rate: LimitRateOption

    @Flag(help: "End once there is nothing left to take; otherwise wait for the next sync.")
    var once = false

    func validate() throws {
        guard (1...10_000).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 10000") }
    }

    func run() throws {
        var access = ReplicaOptions(environment: Console.environment)
        access.endpointURL = blobsEndpointURL
        access.region = blobsRegion
        access.profile = blobsProfile
        access.jobs = jobs
        let temporary = Console.environment["TMPDIR"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/var/tmp"
        var options = Working.Options(
            scratch: Files.absolute(spoolDirectory ?? temporary), environment: Console.environment)
        options.spool = spool ?? ObjectStore.usualSpool
        options.jobs = jobs
        options.limitRate = rate.limitRate
        options.isOnce = once
        options.endpointURL = endpointURL
        options.region = region
        options.profile = profile
        options.noSignRequest = noSignRequest
        sortInside(options.scratch)
        let line = ProgressLine()
        let working = try Working(ReplicaURL(url), access, options) { text in
            line.note(text)
        } progress: { outcome in
            let done = "\(outcome.shards.of("share")), \(outcome.fetched.of("blob")), \(outcome.bytes.byteCount)"
            line.show("working", text: done)
        }
        let outcome = try interruptible(line, "What was begun is left to other machines, or to the next sync.") {
            try working.run()
        }
        line.clear()
        let output = Output()
        try output.line(
            "\(outcome.shards.of("share")): \(outcome.fetched.of("blob")), \(outcome.bytes.byteCount)")
        try output.flush()
    }
}
