import Basics
import Blobs
import Glibc
import Index
import Model
import Store

/// Checks everything in a store: the index, the kept inventories, every blob, and every row that expects one.
public final class VerifyRun {
    let store: Store
    let options: VerifyOptions
    let reporter: VerifyReporter
    var outcome = VerifyOutcome()
    /// Files below `blobs/` that are damaged or that the disk cannot read, by name; which of the two, and why. At most
    /// ``mostDamaged``: the rest are reported without a key.
    private(set) var damaged: [String: (kind: Finding.Kind, reason: String)] = [:]
    private(set) var isOverfull = false
    static let mostDamaged = 200_000

    public init(_ store: Store, _ options: VerifyOptions, reporter: VerifyReporter) {
        self.store = store
        self.options = options
        self.reporter = reporter
    }

    /// Checks, and reports what it finds. Changes nothing but the record of what has been verified.
    public func run() throws -> VerifyOutcome {
        try look { _, _ in }
        return outcome
    }

    /// - Parameter needed: called with each version that needs a damaged or missing content.
    func look(_ needed: (MissingContents.Occurrence, _ isDamaged: Bool) throws -> Void) throws {
        try checkIndex()
        if options.indexOnly { return }
        if !outcome.indexIsDamaged { try checkFacts() }
        let throttle = options.rate.map { Throttle(bytesPerSecond: $0) }
        let reader = try? store.reader()
        let snapshots = (try? reader?.snapshots()) ?? []
        reader?.end()
        let files = StoreFiles(store: store)
        try files.foreign { try report($0) }
        try files.inventories(
            Dictionary(snapshots.map { ($0.record.name, $0.record.manifestMD5) }) { first, _ in first },
            throttle: throttle, progress: { reporter.progress(.inventories(done: $0, of: $1)) }
        ) { try report($0) }
        try sweep(throttle)
        try checkRows(needed)
        if !outcome.indexIsDamaged { outcome.absent = try store.reader().absentContents() }
    }

    func report(_ finding: Finding) throws {
        switch finding.kind {
        case .damaged, .unreadable: outcome.damaged += 1
        case .missing: outcome.missing += 1
        case .foreign: outcome.foreign += 1
        case .unrepaired: outcome.gone += 1
        }
        try reporter.finding(finding)
    }

    // MARK: - The index

    private func checkIndex() throws {
        reporter.progress(.index)
        let check = IndexCheck(store)
        try check.run()
        outcome.rows = check.rows
        outcome.indexIsDamaged = !check.problems.isEmpty
        for problem in check.problems { try report(Finding(.damaged, "index.sqlite", problem)) }
    }

    /// Compares what is kept beside the blobs with the index, and mends it.
    private func checkFacts() throws {
        let facts = FactKeeper(store)
        if facts.isObstructed { return try report(Finding(.damaged, StoreLayout.blobFacts, "is not a regular file")) }
        do {
            let damaged = try facts.mend()
            if damaged > 0 {
                reporter.warning(
                    "\(damaged) lines of \(StoreLayout.blobFacts) were damaged: it was written anew from the index")
            }
        } catch let error as IcecoreError {
            if error.code == .interrupted { throw error }
            // A store that is not writable can be verified as well.
            if [EACCES, EPERM, EROFS].contains(error.errno) { return }
            reporter.warning("cannot keep \(StoreLayout.blobFacts) equal to the index: \(error.message)")
        }
    }

    // MARK: - The blobs

    private func sweep(_ throttle: Throttle?) throws {
        var state = VerifyState(store)
        var since = options.since
        let isWhole = options.sample == nil
        if isWhole, since == nil, let began = state.runBegan {
            reporter.note("resuming the verification that began at \(began.rfc3339)")
            since = began
        }
        if isWhole, state.runBegan == nil { state.runBegan = .now() }
        let verified = state.verifiedAt.map { time in
            time.flatMap { time in since.map { time >= $0 } ?? false ? time : nil }
        }
        let sweep = BlobSweep(store, verified: verified, sample: options.sample, throttle: throttle)
        var writer = VerifyStateWriter(isUsed: isWhole, reporter)
        var done = 0
        sweep.start()
        defer {
            sweep.stop()
            outcome.blobs = sweep.blobs
            outcome.bytes = sweep.bytes
        }
        var failure: (any Error)?
        while let event = sweep.events.receive() {
            switch event {
            case .tick: break
            case .foreign(let path, let reason): try report(Finding(.foreign, path, reason))
            case .finding(let name, let fan, let condition): try take(name, fan, condition)
            case .done(let unit, let began, let isSound):
                done += 1
                // A unit that was skipped keeps its time.
                state.set(unit, isSound ? verified[unit] ?? began : nil)
                writer.noteChange(state)
            case .failed(let error):
                failure = failure ?? error
                // The other threads end too, each after its current blob.
                sweep.requestStop()
            }
            reporter.progress(
                .blobs(
                    fraction: Double(done) / Double(VerifyState.unitCount), blobs: sweep.blobs, bytes: sweep.bytes,
                    findings: outcome.damaged))
        }
        if failure == nil { state.runBegan = nil }
        writer.write(state)
        if let failure { throw failure }
    }

    private func take(_ name: String, _ fan: String, _ condition: FileCondition) throws {
        let path = name.isEmpty ? "blobs/\(fan)" : "blobs/\(fan)/\(name)"
        switch condition {
        case .sound, .vanished: return
        case .unreadable(let reason): try report(Finding(.unreadable, path, reason))
        case .damaged(let reason): try take(name, path, .damaged, reason)
        case .failing(let reason): try take(name, path, .unreadable, reason)
        }
    }

    /// Notes damage that a repair can mend.
    private func take(_ name: String, _ path: String, _ kind: Finding.Kind, _ reason: String) throws {
        if name.isEmpty { return try report(Finding(kind, path, reason)) }
        guard damaged.count < VerifyRun.mostDamaged else {
            isOverfull = true
            return try report(Finding(kind, path, reason))
        }
        // Reported once it is known which version needs it.
        damaged[name] = (kind, reason)
        outcome.damaged += 1
    }

    // MARK: - The rows

    /// Finds missing blobs, and the versions that need damaged ones.
    private func checkRows(_ needed: (MissingContents.Occurrence, Bool) throws -> Void) throws {
        var unnamed = damaged
        do {
            let reader = try store.reader()
            let missing = try MissingContents(store, reader)
            var files: [ContentKey: String] = [:]
            var digests: Set<[UInt8]> = []
            for name in damaged.keys {
                switch BlobName(name) {
                case .etag(let etag, let size): files[ContentKey(etag: etag, size: size)] = name
                case .sha256(let digest, _): digests.insert(digest)
                case nil: break
                }
            }
            for (content, digest) in try missing.contents(ofSHA256: digests) {
                files[content] = BlobName.file(sha256: digest, size: content.size)
            }
            var last: (key: [UInt8], versionId: [UInt8]?, content: ContentKey)?
            try missing.scan(
                Set(files.keys), looksForMissing: true, progress: { reporter.progress(.rows($0)) }
            ) { version, isKnown in
                try needed(version, isKnown)
                if let name = files[version.content] {
                    guard let damage = unnamed.removeValue(forKey: name) else { return }
                    try name.withFinding(damage.kind, damage.reason, version, reporter)
                    return
                }
                // A version has several rows.
                if let last, last == (version.key, version.versionId, version.content) { return }
                last = (version.key, version.versionId, version.content)
                let name = BlobName.file(etag: version.content.etag, size: version.content.size)
                try report(
                    Finding(
                        .missing, name.map { "blobs/\(Blobs.fan($0))/\($0)" } ?? "blobs",
                        version.flags.contains(.present) ? "is no longer there" : "is not there", version))
            }
        } catch let error as IcecoreError where error.code == .damaged {
            // Report the damage of the index, unless that has been done.
            if !outcome.indexIsDamaged {
                outcome.indexIsDamaged = true
                try report(Finding(.damaged, "index.sqlite", error.message))
            }
        }
        for (name, damage) in unnamed.sorted(by: { $0.key < $1.key }) {
            try name.withFinding(damage.kind, damage.reason, nil, reporter)
        }
    }
}

extension String {
    /// Reports what was found of the blob of this name, which has been counted already.
    fileprivate func withFinding(
        _ kind: Finding.Kind, _ reason: String, _ version: MissingContents.Occurrence?, _ reporter: VerifyReporter
    ) throws {
        try reporter.finding(Finding(kind, "blobs/\(Blobs.fan(self))/\(self)", reason, version))
    }
}
