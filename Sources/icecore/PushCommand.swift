import ArgumentParser
import Basics
import Model
import Replica

struct PushCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Bring a replica on another disk or object store up to this store.",
        discussion: """
            Sends the blobs that the replica lacks, then the index, and last of all the one file that points to them: \
            whoever reads the replica sees the last complete push. What was sent stays sent: the same command goes on where \
            one was stopped. 'icecore clone' makes a store of a replica; 'ls', 'cat', 'mount' and others open it with --replica.
            """)

    @Argument(help: ArgumentHelp("The replica: file:///DIRECTORY or s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @OptionGroup var flags: ReplicaFlags

    @Flag(
        name: .customLong("no-cas"),
        help: "Do without conditional writes, where the server has none: never run two pushes at once then.")
    var noCAS = false

    @Flag(
        help: """
            Look whether what the replica's documents name is there, and send again what is not: blobs that are missing, \
            and all that describes them.
            """)
    var check = false

    @Flag(
        name: .customLong("accept-missing"),
        help: "Push although the replica knows contents that this store has lost: it will show them no more.")
    var acceptMissing = false

    @Flag(help: "Remove what no pushed snapshot needs: mark it now, delete what was marked longer ago than --grace.")
    var prune = false

    @Option(
        help: ArgumentHelp(
            "How long what was marked stays for those who still read an older snapshot: 12h, 7d.", valueName: "duration"
        ),
        transform: { text in
            guard let length = When.duration(text) else {
                throw ValidationError("'\(text)' is no duration: write 12h or 7d")
            }
            return length
        })
    var grace: Int64 = 86_400_000

    @OptionGroup var jobs: JobsOption
    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let url = try ReplicaURL(url)
        let store = try options.openForSorting()
        let line = ProgressLine()
        let push = Push(
            store, try Replica(url, flags.options(jobs: jobs.jobs)), isConditional: !noCAS, isChecking: check,
            acceptsMissing: acceptMissing,
            removal: prune ? .init(grace: grace) : nil
        ) { note in
            line.clear()
            Console.note(Display.line(note))
        } progress: { progress in
            switch progress {
            case .index(let fraction): line.draw("reading the index", "\(Int(fraction * 100))%", fraction)
            case .blobs(let count, let bytes, let sent):
                line.draw("pushing", "\(count) blobs, \(bytes.byteCount) (\(sent.byteCount) on the wire)", nil)
            case .finishing: line.draw("finishing", "", nil)
            }
        }
        let outcome: PushOutcome
        do {
            outcome = try push.run()
        } catch let error as IcecoreError where error.code == .interrupted {
            line.clear()
            throw IcecoreError(
                .interrupted, "What was sent stays sent: the same command goes on where this one stopped.")
        } catch {
            line.clear()
            throw error
        }
        line.clear()
        try report(outcome)
        if !outcome.damaged.isEmpty {
            throw IcecoreError(
                .damaged,
                "\(outcome.damaged.count) blobs of the store are damaged and were not sent: 'icecore verify --repair' fetches "
                    + "them again")
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing) contents that the store expects are neither in it nor in the replica ('icecore sync' "
                    + "fetches what the bucket still has)")
        }
    }

    private func report(_ outcome: PushOutcome) throws {
        for (name, reason) in outcome.damaged { Console.note(Display.line("damaged: \(name): \(reason)")) }
        let output = Output()
        if format.json {
            var json = JSONLine()
            json.begin()
            json.add("snapshot", outcome.snapshot)
            json.add("sequence", Int64(outcome.sequence))
            json.add("unchanged", outcome.isUnchanged)
            json.add("blobs", Int64(outcome.blobs))
            json.add("bytes", outcome.bytes)
            json.add("damaged", Int64(outcome.damaged.count))
            json.add("missing", outcome.missing)
            json.add("marked", Int64(outcome.marked))
            json.add("deleted", Int64(outcome.deleted))
            json.end()
            try output.write(json.bytes)
        } else if outcome.isUnchanged {
            try output.line("nothing new: the replica is push number \(outcome.sequence) (\(outcome.snapshot))")
        } else {
            try output.line(
                "push number \(outcome.sequence): \(outcome.blobs) blobs, \(outcome.bytes.byteCount) (\(outcome.snapshot))"
            )
            if prune {
                try output.line(
                    "\(outcome.marked) files marked to be deleted by a push with --prune after \(grace.durationText); "
                        + "\(outcome.deleted) deleted")
            }
        }
        try output.flush()
    }
}

extension Int64 {
    /// Milliseconds as a person would say them.
    fileprivate var durationText: String {
        self % 86_400_000 == 0 ? "\(self / 86_400_000) d" : "\(self / 3_600_000) h"
    }
}
