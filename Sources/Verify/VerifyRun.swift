import Basics
import Blobs
import Glibc
import Index
import Model
import Store

/// Checks everything in a store: the index, the kept inventories, every blob and pack, and every row that expects one.
public final class VerifyRun {
    let store: Store
    let options: VerifyOptions
    let reporter: VerifyReporter
    var outcome = VerifyOutcome()
    /// Files below `blobs/` that are damaged or that the disk cannot read, by name; which of the two, and why. At most
    /// ``mostDamaged``: the rest are reported without a key.
    private(set) var damaged: [String: (kind: Finding.Kind, reason: String)] = [:]
    private(set) var isOverfull = false
    /// Packs that are not as they should be, with their damaged contents. One is taken as a whole or, beyond
    /// ``mostDamaged``, only reported.
    private(set) var packs: [PackReport] = []
    private var hits = 0
    private var catalogueIsSound = true
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
        reporter.progress(.index)
        let index = BackgroundIndexCheck(store)
        try index.start()
        if options.indexOnly { return try take(index.result()) }
        let throttle = options.rate.map { Throttle(bytesPerSecond: $0) }
        let reader = try? store.reader()
        let snapshots = (try? reader?.snapshots()) ?? []
        reader?.end()
        let files = StoreFiles(store: store)
        try files.foreign { try report($0) }
        try files.foreignPacks { try report($0) }
        try files.inventories(
            Dictionary(snapshots.map { ($0.record.name, $0.record.manifestMD5) }) { first, _ in first },
            throttle: throttle, progress: { reporter.progress(.inventories(done: $0, of: $1)) }
        ) { try report($0) }
        try sweep(throttle)
        try take(index.result())
        if !outcome.indexIsDamaged { try checkFacts() }
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

    private func take(_ index: BackgroundIndexCheck.IndexFindings) throws {
        outcome.rows = index.rows
        outcome.indexIsDamaged = !index.problems.isEmpty
        for problem in index.problems { try report(Finding(.damaged, "index.sqlite", problem)) }
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
        let catalogue = try CatalogueCheck(store)
        catalogueIsSound = catalogue.isTrusted
        if let damage = catalogue.damage { try report(Finding(.damaged, CatalogueCheck.path, damage)) }
        let units = VerifyState.unitCount + catalogue.targets.count
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
        let verifiedPacks = state.packs.filter { _, time in since.map { time >= $0 } ?? false }
        state.keep(Set(catalogue.targets.map(\.name)))
        let sweep = BlobSweep(
            store, catalogue, verified: verified, verifiedPacks: verifiedPacks, sample: options.sample,
            throttle: throttle)
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
            case .pack(let place, let began, let found):
                done += 1
                let name = catalogue.targets[place].name
                // One that was passed over keeps its time.
                if let found { state.set(name, found.isSound ? began : nil) }
                writer.noteChange(state)
                if let found { try take(found) }
            case .failed(let error):
                failure = failure ?? error
                // The other threads end too, each after its current blob.
                sweep.requestStop()
            }
            reporter.progress(
                .blobs(
                    fraction: Double(done) / Double(units), blobs: sweep.blobs, bytes: sweep.bytes,
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

    /// Notes what was found of a pack. Of contents it is reported once it is known which versions need them.
    private func take(_ pack: PackReport) throws {
        if pack.isSound { return }
        if let trouble = pack.trouble {
            let finding = Finding(trouble.kind, pack.path, trouble.reason)
            if trouble.kind == .missing {
                outcome.missingPacks += 1
                try reporter.finding(finding)
            } else {
                try report(finding)
            }
        }
        guard damaged.count + hits < VerifyRun.mostDamaged else {
            isOverfull = true
            for hit in pack.hits { try report(Finding(.damaged, pack.path, hit.reason, blob: hit.name)) }
            return
        }
        hits += pack.hits.count
        outcome.damaged += pack.hits.count
        outcome.damagedContents += pack.hits.count
        packs.append(pack)
    }

    // MARK: - The rows

    /// Finds missing blobs, and the versions that need damaged ones.
    private func checkRows(_ needed: (MissingContents.Occurrence, Bool) throws -> Void) throws {
        let contents = DamagedContents(store, files: damaged, packs: packs, canFind: catalogueIsSound)
        do {
            let reader = try store.reader()
            let missing = try MissingContents(store, reader)
            try contents.resolve(missing)
            if !catalogueIsSound {
                reporter.note("what is missing is not looked for, as the catalogue of packs is damaged")
            }
            var last: (key: [UInt8], versionId: [UInt8]?, content: ContentKey)?
            try missing.scan(
                contents.isEmpty ? nil : { try contents.isKnown($0) }, looksForMissing: catalogueIsSound,
                progress: { reporter.progress(.rows($0)) }
            ) { version, isKnown in
                try needed(version, isKnown)
                if isKnown, let findings = contents.take(version) {
                    for finding in findings { try reporter.finding(finding) }
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
        for finding in contents.rest() { try reporter.finding(finding) }
    }
}
