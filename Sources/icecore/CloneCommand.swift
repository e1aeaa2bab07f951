import ArgumentParser
import Basics
import Replica

struct CloneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Make a store of a replica, or bring one up to it.",
        discussion: """
            Every blob is checked as it arrives. The directory becomes a store when everything is there; the same command \
            goes on where one was stopped, and brings a clone up to a later push.
            """)

    @Argument(help: ArgumentHelp("The replica: file:///DIRECTORY or s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @Argument(help: ArgumentHelp("A new or empty directory, or an earlier clone.", valueName: "store"))
    var store: String

    @OptionGroup var flags: ReplicaFlags
    @OptionGroup var jobs: JobsOption
    @OptionGroup var format: JSONOption

    @Flag(
        name: .customLong("accept-missing"),
        help:
            "Make the store also where blobs cannot be had: what has come can be read, 'icecore verify' lists the rest."
    )
    var acceptMissing = false

    @Flag(name: .customLong("no-cas"), help: .hidden)
    var noCAS = false

    func run() throws {
        let url = try ReplicaURL(url)
        sortInside("\(Files.absolute(store))/tmp")
        let line = ProgressLine()
        let clone = Clone(
            try Replica(url, flags.options(jobs: jobs.jobs)), to: store, acceptsMissing: acceptMissing
        ) { note in
            line.clear()
            Console.note(Display.line(note))
        } progress: { progress in
            switch progress {
            case .index(let fraction): line.draw("fetching the index", "\(Int(fraction * 100))%", fraction)
            case .blobs(let count, let all, let bytes, let allBytes):
                line.draw(
                    "cloning", "\(count) of \(all) blobs, \(bytes.byteCount) of \(allBytes.byteCount)",
                    Double(bytes + 32768 * Int64(count)) / Double(max(1, allBytes + 32768 * Int64(all))))
            case .finishing: line.draw("finishing", "", nil)
            }
        }
        let outcome: CloneOutcome
        do {
            outcome = try clone.run()
        } catch let error as IcecoreError where error.code == .interrupted {
            line.clear()
            throw IcecoreError(.interrupted, "What has come stays: the same command goes on where this one stopped.")
        } catch {
            line.clear()
            throw error
        }
        line.clear()
        try report(outcome)
        if outcome.failed > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.failed) blobs could not be had from the replica, and the store is without them "
                    + "(\(outcome.failures.joined(separator: "; "))): 'icecore verify --repair' fetches what the bucket still has"
            )
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing) contents were missing in the store that was pushed ('icecore sync' fetches what the bucket "
                    + "still has)")
        }
    }

    private func report(_ outcome: CloneOutcome) throws {
        let output = Output()
        if format.json {
            var json = JSONLine()
            json.begin()
            json.add("snapshots", Int64(outcome.snapshots))
            json.add("unchanged", outcome.isUnchanged)
            json.add("blobs", Int64(outcome.blobs))
            json.add("bytes", outcome.bytes)
            json.add("missing", outcome.missing)
            json.end()
            try output.write(json.bytes)
        } else if outcome.isUnchanged {
            try output.line("nothing new: the store has all \(outcome.snapshots) snapshots of the replica")
        } else {
            try output.line(
                "\(outcome.snapshots) snapshots; \(outcome.blobs) blobs, \(outcome.bytes.byteCount) fetched and checked"
            )
        }
        try output.flush()
    }
}
