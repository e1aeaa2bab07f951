import ArgumentParser
import Basics
import Replica

struct CloneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Create a store from a replica, or update one from it.",
        discussion: """
            Every blob is checked as it arrives. The directory becomes a store once everything is there. Run the same \
            command again to resume, or to update the clone after a later push.
            """)

    @Argument(help: ArgumentHelp("The replica: file:///DIRECTORY or s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @Argument(help: ArgumentHelp("A new or empty directory, or an earlier clone.", valueName: "store"))
    var store: String

    @OptionGroup var flags: ReplicaFlags
    @OptionGroup var jobs: JobsOption
    @OptionGroup var format: JSONOption

    @Option(
        help: ArgumentHelp(
            "Clone an earlier push, by its number or name: 'icecore snapshots --pushes' lists them.", valueName: "name")
    )
    var push: String?

    @Flag(
        name: .customLong("accept-missing"),
        help: "Create the store even if some blobs cannot be fetched; 'icecore verify' then lists what is missing.")
    var acceptMissing = false

    @Flag(name: .customLong("no-cas"), help: .hidden)
    var noCAS = false

    func run() throws {
        let url = try ReplicaURL(url)
        sortInside("\(Files.absolute(store))/tmp")
        let line = ProgressLine()
        let clone = Clone(
            try Replica(url, flags.options(jobs: jobs.jobs)), to: store, acceptsMissing: acceptMissing,
            push: push
        ) {
            line.note($0)
        } progress: { progress in
            switch progress {
            case .index(let fraction): line.show("fetching the index", fraction)
            case .blobs(let count, let all, let bytes, let allBytes):
                line.show(
                    "cloning", Double(bytes + 32768 * Int64(count)) / Double(max(1, allBytes + 32768 * Int64(all))),
                    text: "\(count) of \(all.of("blob")), \(bytes.byteCount) of \(allBytes.byteCount)")
            case .finishing: line.show("finishing")
            }
        }
        let outcome = try interruptible(
            line, "What has arrived is kept: run the same command again to resume."
        ) {
            try clone.run()
        }
        try report(outcome)
        if outcome.failed > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.failed.of("blob")) could not be fetched from the replica, and the store lacks "
                    + (outcome.failed == 1 ? "it " : "them ")
                    + "(\(outcome.failures.joined(separator: "; "))): 'icecore verify --repair' fetches what the "
                    + "bucket still has")
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing.of("content")) \(outcome.missing == 1 ? "was" : "were") missing from the pushed store ('icecore sync' fetches what the bucket "
                    + "still has)")
        }
    }

    private func report(_ outcome: CloneOutcome) throws {
        let output = Output()
        if format.json {
            try output.record(CloneRecord(outcome))
        } else if outcome.isUnchanged {
            try output.line(
                "nothing new: the store has \(outcome.snapshots == 1 ? "the only snapshot" : "all \(outcome.snapshots) snapshots") of the replica"
            )
        } else {
            try output.line(
                "\(outcome.snapshots.of("snapshot")); \(outcome.blobs.of("blob")), \(outcome.bytes.byteCount) fetched and checked"
            )
        }
        try output.flush()
    }
}

private struct CloneRecord: Encodable {
    let snapshots: Int
    let unchanged: Bool
    let blobs: Int
    let bytes: Int64
    let missing: Int64

    init(_ outcome: CloneOutcome) {
        snapshots = outcome.snapshots
        unchanged = outcome.isUnchanged
        blobs = outcome.blobs
        bytes = outcome.bytes
        missing = outcome.missing
    }
}
