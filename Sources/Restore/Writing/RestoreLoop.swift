import Basics
import DequeModule
import Download
import Index
import S3
import Store
import Upload

/// Compares a view with its target and makes them equal, many objects at a time. What is in memory does not grow with the
/// number of keys.
final class RestoreLoop {
    /// How an object gets into the target.
    enum Way {
        case copied, uploaded
    }

    /// An object that is written by several requests.
    struct Series {
        var object: WantedObject
        var way: Way
        var upload: PartedUpload
    }

    let store: Store
    let reader: IndexReader
    let target: RestoreTarget
    let options: RestoreOptions
    /// Nil in a rehearsal of a target that nothing is known of.
    let records: RestoreRecords?
    let report: (RestoreEvent) throws -> Void
    private let progress: (RestoreOutcome) -> Void
    let loop: TransferLoop
    let pool: WorkPool
    let fetch: SourceFetch
    var outcome = RestoreOutcome()

    /// Requests that are to be made next.
    var ready: Deque<Transfer> = []
    /// Uploads in parts, and those that wait until they are written down.
    private var series: [Series] = []
    private var unwritten: [Series] = []
    /// How many objects are being dealt with.
    var open = 0
    /// How many copies the target could not make of its own versions.
    var missedCopies = 0
    private var extras: ExtraKeys?
    private var isPassOver = false
    private var lastCommit = MonotonicClock.milliseconds()

    private static let mostSeries = 32
    /// How many uploads are written down at once, which costs one wait for the disk.
    private static let mostUnwritten = 16
    /// The most objects to deal with at a time, for each request in flight.
    private static let openPerJob = 4
    /// Milliseconds that may be spent on comparing while requests wait to be served.
    private static let slice: UInt64 = 10

    init(
        _ store: Store, _ reader: IndexReader, _ target: RestoreTarget, _ options: RestoreOptions,
        _ records: RestoreRecords?, report: @escaping (RestoreEvent) throws -> Void,
        progress: @escaping (RestoreOutcome) -> Void
    ) throws {
        (self.store, self.reader, self.target, self.options) = (store, reader, target, options)
        (self.records, self.report, self.progress) = (records, report, progress)
        var loopOptions = target.client.loopOptions
        loopOptions.maxInFlight = options.jobs
        loop = try TransferLoop(target.client, options: loopOptions)
        let wakeup = loop.wakeup
        pool = try WorkPool { wakeup.wake() }
        fetch = SourceFetch(store, environment: options.environment) { wakeup.wake() }
    }

    /// Makes the target what the view is.
    ///
    /// - Parameter prefix: of the view's keys.
    /// - Returns: the keys that the target has besides; nil unless they are to be deleted.
    func run(_ walk: WantedWalk, prefix: [UInt8]) throws -> ExtraKeys? {
        if options.isDeleting { extras = try ExtraKeys(store) }
        let wakeup = loop.wakeup
        let listing = try TargetListing(target.client, bucket: target.bucket, prefix: target.prefix + prefix) {
            wakeup.wake()
        }
        let pass = RestorePass(walk, listing, prefix: target.prefix)
        defer {
            listing.stop()
            fetch.stop()
            pool.stop()
        }
        loop.progress = { [unowned self] _ in showProgress() }
        do {
            try loop.run { try self.next(pass) }
        } catch {
            pool.stop()
            PartedUpload.abandon((series + unwritten).map(\.upload), target.client)
            try? records?.journal.commit()
            throw (error as? S3Failure)?.asError ?? error
        }
        try records?.journal.commit()
        return extras
    }

    func showProgress() {
        outcome.requests = target.client.requestCount + fetch.requests
        progress(outcome)
    }

    // MARK: - What to do next

    private func next(_ pass: RestorePass) throws -> NextTransfer {
        if let transfer = try nextReady() { return .transfer(transfer) }
        try takeFetched()
        let isPassWaiting = try goOn(pass)
        if unwritten.count >= RestoreLoop.mostUnwritten || (ready.isEmpty && (isPassWaiting || isPassOver || isFull)) {
            try writeDown()
        }
        if let transfer = try nextReady() { return .transfer(transfer) }
        return isPassOver && open == 0 ? .finished : .waiting
    }

    private func nextReady() throws -> Transfer? {
        if let transfer = ready.popFirst() { return transfer }
        var place = 0
        while place < series.count {
            let current = series[place]
            if let transfer = try current.upload.next() { return transfer }
            guard let result = current.upload.result else {
                place += 1
                continue
            }
            series.remove(at: place)
            if current.upload.leavesNothing { try records?.journal.didEnd(current.upload.name) }
            try ended(current, result)
            if let transfer = ready.popFirst() { return transfer }
        }
        return nil
    }

    private var isFull: Bool {
        open >= RestoreLoop.openPerJob * options.jobs || series.count + unwritten.count >= RestoreLoop.mostSeries
            || fetch.count >= SourceFetch.most
    }

    /// Compares on until there is a request to make, nothing can be compared now, or time is up.
    ///
    /// - Returns: whether the target's next page is on its way.
    private func goOn(_ pass: RestorePass) throws -> Bool {
        let began = MonotonicClock.milliseconds()
        var steps = 0
        while !isPassOver, !isFull, ready.isEmpty {
            steps += 1
            if steps % 64 == 0 {
                try Interruption.check()
                if MonotonicClock.milliseconds() > began + RestoreLoop.slice {
                    showProgress()
                    try commitSometimes()
                    loop.wakeup.wake()
                    return false
                }
            }
            switch try pass.next() {
            case .waiting: return true
            case .end: isPassOver = true
            case .extra(let listed): try takeExtra(listed)
            case .wanted(let object, let listed): try take(object, listed)
            }
        }
        return false
    }

    private func takeExtra(_ listed: S3ListedObject) throws {
        guard options.isDeleting else { return }
        if options.isDryRun {
            outcome.deleted.add(listed.size)
            try report(.wouldDelete(key: listed.key))
        } else {
            try extras?.add(listed.key, size: listed.size)
        }
    }

    private func takeFetched() throws {
        guard fetch.count > 0 else { return }
        let ended = try fetch.take { object in
            try store.blob(etag: object.contentETag, size: object.size, reader) != nil
        }
        for (object, error) in ended {
            open -= 1
            if let error {
                try unavailable(object, "\(error)")
            } else {
                try upload(object)
            }
        }
    }

    // MARK: - Uploads in parts

    /// Begins an upload as soon as it is written down.
    func begin(_ upload: Series) {
        open += 1
        unwritten.append(upload)
    }

    /// Writes down the uploads that are about to begin, before they can leave anything at the target.
    private func writeDown() throws {
        guard !unwritten.isEmpty else { return }
        try records?.journal.willBegin(unwritten.map(\.upload.name))
        series += unwritten
        unwritten = []
    }

    private func ended(_ series: Series, _ result: Result<UploadOutcome, any Error>) throws {
        open -= 1
        try written(series.object, series.way, result, hasTags: target.isAmazon)
    }

    /// What has been noted becomes durable every now and then.
    func commitSometimes() throws {
        let now = MonotonicClock.milliseconds()
        guard now - lastCommit > 1000 else { return }
        lastCommit = now
        try records?.journal.commit()
    }
}
