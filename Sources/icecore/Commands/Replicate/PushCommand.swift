import ArgumentParser
import Basics
import Model
import Replica

struct PushCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Update a replica of this store on another disk or object store.",
        discussion: """
            Sends the blobs and packs that the replica lacks, then the index, and finally the one file that points to \
            them: readers always see the last complete push. Run the same command again to resume an interrupted push. \
            'icecore clone' creates a store from a replica; 'ls', 'cat', 'mount' and others read it with --replica.
            """)

    @Argument(help: ArgumentHelp("The replica: file:///DIRECTORY or s3://BUCKET/PREFIX.", valueName: "url"))
    var url: String

    @OptionGroup var flags: ReplicaFlags

    @Flag(
        name: .customLong("no-cas"),
        help: "Do without conditional writes, for servers that lack them: never run two pushes at once.")
    var noCAS = false

    @Flag(
        help: """
            Check that the replica has everything that its documents name, and resend what is missing: blobs, and all \
            that describes them.
            """)
    var check = false

    @Flag(
        name: .customLong("accept-missing"),
        help: "Push even if this store has lost content that the replica knows: the replica will no longer show it.")
    var acceptMissing = false

    @Flag(help: "Remove what no pushed snapshot needs: mark it now, delete what was marked more than --grace ago.")
    var prune = false

    @Option(
        help: ArgumentHelp(
            "How long to keep what was marked, for readers of an older snapshot: 12h, 7d.", valueName: "duration"),
        transform: { text in
            guard let length = When.duration(text) else {
                throw ValidationError("'\(text)' is not a duration: write 12h or 7d")
            }
            return length
        })
    var grace: Int64 = 86_400_000

    @OptionGroup var rate: LimitRateOption
    @OptionGroup var jobs: JobsOption
    @OptionGroup var options: StoreOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let url = try ReplicaURL(url)
        let store = try options.openForSorting()
        try store.refuseObjectStore(
            "'icecore push'",
            instead: "that is a replica already, which each sync brings up to date, and a clone of it can be pushed")
        let line = ProgressLine()
        let push = Push(
            store, try Replica(url, flags.options(jobs: jobs.jobs, limitRate: rate.limitRate)), isConditional: !noCAS,
            isChecking: check,
            acceptsMissing: acceptMissing,
            pruneGrace: prune ? grace : nil
        ) {
            line.note($0)
        } progress: { progress in
            switch progress {
            case .index(let fraction): line.show("reading the index", fraction)
            case .blobs(let count, let packs, let bytes, let sent):
                line.show(
                    "pushing",
                    text: "\(count.of("blob", and: packs)), \(bytes.byteCount) (\(sent.byteCount) on the wire)")
            case .finishing: line.show("finishing")
            }
        }
        let outcome = try interruptible(
            line, "What was sent is kept: run the same command again to resume."
        ) {
            try push.run()
        }
        try report(outcome)
        if !outcome.damaged.isEmpty {
            let packs = outcome.damaged.count { $0.name.hasPrefix("packs/") }
            let what =
                packs == outcome.damaged.count
                ? packs.of("pack") : (outcome.damaged.count - packs).of("blob", and: packs)
            throw IcecoreError(
                .damaged,
                "\(what) of the store " + (outcome.damaged.count == 1 ? "is damaged and was" : "are damaged and were")
                    + " not sent" + (packs > 0 ? ", but what is sound in packs was" : "")
                    + ": 'icecore verify --repair' fetches what is damaged again")
        }
        if outcome.missing > 0 {
            throw IcecoreError(
                .incomplete,
                "\(outcome.missing.of("content")) that the store expects "
                    + (outcome.missing == 1 ? "is" : "are") + " neither in it nor in the replica "
                    + "('icecore verify --repair' fetches what the bucket still has)")
        }
    }

    private func report(_ outcome: PushOutcome) throws {
        for (name, reason) in outcome.damaged { Console.note(Display.line("damaged: \(name): \(reason)")) }
        let output = Output()
        if format.json {
            try output.record(PushRecord(outcome))
        } else if outcome.isUnchanged {
            try output.line("nothing new: the replica is at push number \(outcome.sequence) (\(outcome.snapshot))")
        } else {
            try output.line(
                "push number \(outcome.sequence): \(outcome.blobs.of("blob", and: outcome.packs)), "
                    + "\(outcome.bytes.byteCount) "
                    + "(\(outcome.snapshot))")
            if prune {
                try output.line(
                    "\(outcome.marked.of("file")) marked for deletion by a push with --prune after \(grace.durationText); "
                        + "\(outcome.deleted) deleted")
            }
        }
        try output.flush()
    }
}

extension Int {
    /// `3 blobs`, or `3 blobs and 2 packs` if there are any.
    fileprivate func of(_ noun: String, and packs: Int) -> String {
        packs == 0 ? of(noun) : "\(of(noun)) and \(packs.of("pack"))"
    }
}

extension Int64 {
    /// Milliseconds in words: `1 d`, `12 h`.
    fileprivate var durationText: String {
        self % 86_400_000 == 0 ? "\(self / 86_400_000) d" : "\(self / 3_600_000) h"
    }
}

private struct PushRecord: Encodable {
    let snapshot: String
    let sequence: Int
    let unchanged: Bool
    let blobs: Int
    let packs: Int
    let bytes: Int64
    let damaged: Int
    let missing: Int64
    let marked: Int
    let deleted: Int

    init(_ outcome: PushOutcome) {
        snapshot = outcome.snapshot
        sequence = outcome.sequence
        unchanged = outcome.isUnchanged
        blobs = outcome.blobs
        packs = outcome.packs
        bytes = outcome.bytes
        damaged = outcome.damaged.count
        missing = outcome.missing
        marked = outcome.marked
        deleted = outcome.deleted
    }
}
