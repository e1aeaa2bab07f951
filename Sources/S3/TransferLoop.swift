import Basics
import Glibc

/// Many transfers at once on the caller's thread.
///
/// The loop pulls: it asks for the next transfer whenever there is room, so nothing queues in memory. One loop belongs
/// to one thread at a time; it keeps its connections from one ``run(_:)`` to the next.
public final class TransferLoop {
    public struct Options: Sendable {
        /// The most requests in flight; the loop finds out by itself how many pay.
        public var maxInFlight = 256
        /// How often a request is made before it is given up.
        public var attempts = 6
        /// Milliseconds for a connection to be made.
        public var connectTimeout = 5000
        /// Seconds without progress after which an attempt is given up.
        public var stallTimeout = 30
        /// Bytes a second, over all transfers.
        public var bandwidthLimit: Int64?
        /// Milliseconds before the second attempt, on average; each further one waits twice as long.
        public var backoff = 200
        /// The longest wait between attempts.
        public var maxBackoff = 20_000

        public init() {}
    }

    public struct Statistics: Sendable {
        /// Requests made, those made again included.
        public internal(set) var requests = 0
        public internal(set) var retries = 0
        public internal(set) var succeeded = 0
        public internal(set) var failed = 0
        /// Bytes of bodies received, those thrown away included.
        public internal(set) var bytes: Int64 = 0
        public internal(set) var inFlight = 0
        /// Bytes of bodies that are not complete yet.
        public internal(set) var bytesInFlight: Int64 = 0
        /// How many requests the loop allows itself at the moment.
        public internal(set) var window = 0

        public init() {}
    }

    /// Ends a wait of the loop from any thread, so that it asks for the next transfer again.
    public struct Wakeup: Sendable {
        let waker: Waker

        public func wake() {
            waker.wake()
        }
    }

    public let options: Options
    /// Totals over all runs. To be read on the loop's thread.
    public private(set) var statistics = Statistics()
    /// Called on the loop's thread, at most four times a second.
    public var progress: ((Statistics) -> Void)?
    public var wakeup: Wakeup { Wakeup(waker: multi.waker) }

    private let client: S3Client
    private let multi: MultiHandle
    private var window: ConcurrencyWindow
    private var slots: [TransferSlot] = []
    private var idleSigned: [TransferSlot] = []
    private var idleUnsigned: [TransferSlot] = []
    private var inFlight = 0
    private var waiting = WaitingTransfers()
    private var isRunning = false

    private var outage = Outage()
    private var latency = FirstByteLatency()
    private var bandwidth: BandwidthLimit?
    private var nextCheck: UInt64 = 0
    private var standardHeaders: (generation: Int, list: HeaderList)?
    private var lastBase: (bucket: String, region: String, bytes: [UInt8])?

    public init(_ client: S3Client, options: Options = Options()) throws(IcecoreError) {
        self.client = client
        self.options = options
        var ceiling = max(1, options.maxInFlight)
        if let limit = options.bandwidthLimit {
            bandwidth = BandwidthLimit(bytesPerSecond: max(1, limit))
            // Many streams through a narrow pipe would all look stalled.
            ceiling = min(ceiling, max(2, Int(limit / 262_144)))
        }
        window = ConcurrencyWindow(ceiling: ceiling)
        multi = try MultiHandle(connections: ceiling + 4)
    }

    /// Runs transfers until `next` says that there are no more and all have finished.
    ///
    /// Failures of single transfers go to those transfers. What ends the run: an error from `next` or from
    /// ``Transfer/finished(_:)``, an endpoint that cannot be reached at all, credentials that cannot be had, and an
    /// interruption. All transfers that had been started are then told ``S3Failure/Kind/cancelled``.
    public func run(_ next: () throws -> NextTransfer) throws {
        precondition(!isRunning, "a TransferLoop runs once at a time")
        isRunning = true
        outage = Outage()
        defer {
            isRunning = false
            cancelAll()
        }
        var isExhausted = false
        while true {
            try Interruption.check()
            let now = MonotonicClock.milliseconds()
            let isDry = try fill(now, isExhausted: &isExhausted, next)
            if isExhausted, inFlight == 0, waiting.isEmpty { return }
            try multi.run(milliseconds: patience(now, isDry: isDry))
            if !outage.hasContact, slots.contains(where: { $0.transfer != nil && $0.isConnected }) {
                outage.noteContact(MonotonicClock.milliseconds())
            }
            while let (easy, result) = multi.nextFinished() {
                if let slot = easy as? TransferSlot { try finish(slot, result) }
            }
            try lookAround()
        }
    }

    // MARK: - Starting

    private var allowance: Int {
        // The first connections show whether there is a server at all; so many threads may be looking up its name.
        outage.hasContact ? window.size : min(window.size, 8)
    }

    /// Starts what there is room for. True: `next` had nothing.
    private func fill(_ now: UInt64, isExhausted: inout Bool, _ next: () throws -> NextTransfer) throws -> Bool {
        while inFlight < allowance, let transfer = waiting.takeDue(now) { try start(transfer, now) }
        let waitingLimit = max(1024, 4 * window.ceiling)
        while inFlight < allowance, !isExhausted, waiting.count < waitingLimit,
            !outage.isSuspected || (inFlight == 0 && waiting.isEmpty)
        {
            switch try next() {
            case .transfer(let transfer): try start(transfer, now)
            case .waiting: return true
            case .finished: isExhausted = true
            }
        }
        if inFlight >= window.size { window.noteFull() }
        return false
    }

    private func patience(_ now: UInt64, isDry: Bool) -> Int {
        // A fifth of a second is what an interruption may have to wait for.
        var milliseconds = isDry && inFlight == 0 && waiting.isEmpty ? 20 : 200
        if inFlight < allowance, let due = waiting.nextDue {
            milliseconds = min(milliseconds, due > now ? Int(due - now) : 0)
        }
        return milliseconds
    }

    private func start(_ transfer: Transfer, _ now: UInt64) throws {
        let request = transfer.request
        guard let lines = request.headerLines(), S3Location.isBucketName(request.bucket),
            request.range.map({ !$0.isEmpty && $0.lowerBound >= 0 }) ?? true
        else {
            try end(transfer, S3Failure(.invalidRequest, message: "a part of the request cannot be sent"))
            return
        }
        let (credentials, generation) = try client.credentials.current()
        let slot = try idleSlot(signed: credentials != nil)
        let region = transfer.progress.region ?? client.region(of: request.bucket)
        slot.region = region
        slot.generation = generation
        slot.secrets = credentials?.secrets ?? []
        if let credentials, slot.signedGeneration != generation || slot.signedScope != region {
            slot.setSigner(
                scope: "aws:amz:\(region):s3", accessKey: credentials.accessKeyId,
                secretKey: credentials.secretAccessKey)
            slot.signedGeneration = generation
            slot.signedScope = region
        }
        prepareURL(slot, transfer, region)
        let headers = headers(request, lines, credentials, generation)
        slot.headers = headers
        setMethod(slot, request)
        let range = request.range.map { "\($0.lowerBound)-\($0.upperBound - 1)" }
        let length = request.range.map { Int64($0.count) } ?? request.expectedLength ?? 0
        slot.setTarget(
            url: slot.url, range: range, headers: headers, freshConnection: transfer.progress.wantsFreshConnection,
            large: length > 1 << 20)
        transfer.progress.attempts += 1
        slot.begin(transfer, now: now)
        try multi.add(slot)
        inFlight += 1
        statistics.requests += 1
    }

    private func idleSlot(signed: Bool) throws(IcecoreError) -> TransferSlot {
        if let slot = signed ? idleSigned.popLast() : idleUnsigned.popLast() { return slot }
        let slot = try TransferSlot(signed: signed)
        let isLimited = options.bandwidthLimit != nil
        slot.setTimeouts(
            connectMilliseconds: options.connectTimeout, stallSeconds: options.stallTimeout * (isLimited ? 4 : 1),
            bytesPerSecond: isLimited ? 1 : 64)
        if let bundle = client.configuration.certificateBundle { slot.setCertificateBundle(bundle) }
        slots.append(slot)
        return slot
    }

    private func prepareURL(_ slot: TransferSlot, _ transfer: Transfer, _ region: String) {
        slot.url.removeAll(keepingCapacity: true)
        slot.url.append(contentsOf: base(transfer.request.bucket, region, transfer.progress.host))
        transfer.request.appendTarget(to: &slot.url)
        slot.url.append(0)
    }

    /// What comes before the key; remembered, for nearly all requests are about the same bucket.
    private func base(_ bucket: String, _ region: String, _ host: Endpoint?) -> [UInt8] {
        if host == nil, let lastBase, lastBase.bucket == bucket, lastBase.region == region { return lastBase.bytes }
        let base = client.configuration.base(bucket: bucket, region: region, host: host)
        let bytes = Array(base.origin.utf8) + base.path
        if host == nil { lastBase = (bucket, region, bytes) }
        return bytes
    }

    private func setMethod(_ slot: TransferSlot, _ request: S3Request) {
        switch request.method {
        case .get:
            // Most requests follow another GET on the same handle.
            if !slot.isGet { slot.setMethod(.get) }
        case .head: slot.setMethod(.head)
        case .put:
            if let length = request.uploadLength {
                slot.setMethod(.upload(length: length))
            } else {
                slot.setMethod(.custom("PUT", payload: request.payload ?? []))
            }
        case .post: slot.setMethod(.custom("POST", payload: request.payload ?? []))
        case .delete: slot.setMethod(.custom("DELETE", payload: request.payload ?? []))
        }
        slot.isGet = request.method == .get
    }

    private static let emptyDigest = Hex.encode(SHA256.digest([]))

    private func headers(
        _ request: S3Request, _ lines: [String], _ credentials: Credentials?, _ generation: Int
    ) -> HeaderList {
        let isUpload = request.uploadLength != nil
        let isStandard = lines.isEmpty && request.payload == nil && !isUpload
        if isStandard, let standardHeaders, standardHeaders.generation == generation { return standardHeaders.list }
        var all = lines
        if let credentials {
            // What is sent as it is read is known to the server by its Content-MD5, which is signed.
            let digest =
                isUpload
                ? "UNSIGNED-PAYLOAD" : request.payload.map { Hex.encode(SHA256.digest($0)) } ?? Self.emptyDigest
            all.append("x-amz-content-sha256: \(digest)")
            if let token = credentials.sessionToken { all.append("x-amz-security-token: \(token)") }
        }
        if client.configuration.requesterPays { all.append("x-amz-request-payer: requester") }
        if request.payload != nil || isUpload,
            !request.headers.contains(where: { $0.name.lowercased() == "content-type" })
        {
            all.append("Content-Type: application/octet-stream")
        }
        let list = HeaderList(all)
        if isStandard { standardHeaders = (generation, list) }
        return list
    }

    // MARK: - Ending

    private func finish(_ slot: TransferSlot, _ result: CurlResult) throws {
        guard let transfer = slot.takeTransfer() else { return }
        inFlight -= 1
        account(slot)
        if slot.isSigned { idleSigned.append(slot) } else { idleUnsigned.append(slot) }
        let now = MonotonicClock.milliseconds()
        if slot.answeredAt != 0 {
            outage.noteContact(slot.answeredAt)
            latency.add(slot.answeredAt - slot.startedAt)
        }
        if case .untrusted(let reason) = result {
            transferAgain(transfer, due: now)
            throw IcecoreError(
                .unavailable,
                "the certificate of \(origin(transfer)) is not to be trusted: \(Display.text(reason, limit: 200))")
        }
        let failure: S3Failure?
        do {
            failure = try slot.outcome(of: result, transfer)
        } catch {
            statistics.failed += 1
            try transfer.finished(.failure(error))
            return
        }
        guard var failure else {
            window.ended(bytes: slot.received + slot.sent, overloaded: false, now: now)
            statistics.succeeded += 1
            try transfer.finished(.success(()))
            return
        }
        if slot.phase == .body { transfer.restart() }
        failure.attempts = transfer.progress.attempts
        failure.object = transfer.request.displayName
        if failure.kind == .unreachable {
            try retryUnreachable(transfer, failure, slot, now)
            return
        }
        window.ended(bytes: 0, overloaded: failure.isOverload, now: now)
        if try retryElsewhere(transfer, failure, slot, now) { return }
        guard failure.isPassing, transfer.progress.attempts < options.attempts else {
            try end(transfer, failure)
            return
        }
        statistics.retries += 1
        transfer.progress.wantsFreshConnection = failure.kind == .timedOut
        var delay = backoff(attempt: transfer.progress.attempts)
        if let wanted = slot.head.value(.retryAfter).flatMap({ UInt64($0) }), wanted <= 30 {
            delay = max(delay, wanted * 1000)
        }
        transferAgain(transfer, due: now + delay)
    }

    private func end(_ transfer: Transfer, _ failure: S3Failure) throws {
        statistics.failed += 1
        var failure = failure
        if failure.object.isEmpty { failure.object = transfer.request.displayName }
        try transfer.finished(.failure(failure))
    }

    private func transferAgain(_ transfer: Transfer, due: UInt64) {
        waiting.add(transfer, due: due)
    }

    /// Exponential, between half and one and a half times the nominal wait, so that no two retry in step.
    private func backoff(attempt: Int) -> UInt64 {
        let nominal = min(options.maxBackoff, options.backoff << min(max(0, attempt - 1), 16))
        return UInt64(max(1, Int.random(in: nominal / 2...max(1, nominal + nominal / 2))))
    }

    /// Expired credentials, another region, another host: the same request, put right. True if it goes on.
    private func retryElsewhere(
        _ transfer: Transfer, _ failure: S3Failure, _ slot: TransferSlot, _ now: UInt64
    ) throws -> Bool {
        if failure.isExpiredCredentials, slot.isSigned, transfer.progress.renewals < 3 {
            transfer.progress.renewals += 1
            guard try client.credentials.renew(after: slot.generation) else { return false }
        } else if [301, 302, 307, 308, 400].contains(failure.status), transfer.progress.redirects < 4 {
            let redirection = client.redirection(
                failure, bucket: transfer.request.bucket, region: slot.region, host: transfer.progress.host)
            switch redirection {
            case .region(let region):
                transfer.progress.region = nil
                transfer.progress.host = nil
                client.learn(region: region, of: transfer.request.bucket)
            case .host(let endpoint): transfer.progress.host = endpoint
            case nil: return false
            }
            transfer.progress.redirects += 1
        } else {
            return false
        }
        // Not the transfer's fault, so it costs none of its attempts.
        transfer.progress.attempts -= 1
        statistics.retries += 1
        transferAgain(transfer, due: now)
        return true
    }

    /// While nothing can be reached, transfers wait without losing attempts; after a while the run as a whole ends.
    private func retryUnreachable(
        _ transfer: Transfer, _ failure: S3Failure, _ slot: TransferSlot, _ now: UInt64
    ) throws {
        outage.noteFailure(startedAt: slot.startedAt)
        transfer.progress.attempts -= 1
        transfer.progress.connectFailures += 1
        if outage.isOver(now) {
            transferAgain(transfer, due: now)
            throw IcecoreError(.unavailable, "cannot reach \(origin(transfer)): \(failure.message)")
        }
        // Where others get through, this one is not tried for ever.
        guard outage.isSuspected || transfer.progress.connectFailures <= 50 else {
            try end(transfer, failure)
            return
        }
        statistics.retries += 1
        transferAgain(transfer, due: now + min(1500, backoff(attempt: transfer.progress.connectFailures)))
    }

    private func origin(_ transfer: Transfer) -> String {
        let bucket = transfer.request.bucket
        let region = transfer.progress.region ?? client.region(of: bucket)
        return client.configuration.base(bucket: bucket, region: region, host: transfer.progress.host).origin
    }

    // MARK: - While it runs

    private func account(_ slot: TransferSlot) {
        statistics.bytes += slot.unaccounted
        bandwidth?.spend(slot.unaccounted)
        slot.unaccounted = 0
    }

    /// Four times a second: progress, and answers that do not begin. Each time: the bandwidth limit.
    private func lookAround() throws {
        if bandwidth != nil {
            for slot in slots where slot.unaccounted != 0 { account(slot) }
            // Not reading is what slows the senders down.
            while let pause = bandwidth?.pause(MonotonicClock.milliseconds()) {
                usleep(UInt32(min(100, pause) * 1000))
                try Interruption.check()
            }
        }
        let now = MonotonicClock.milliseconds()
        guard now >= nextCheck else { return }
        nextCheck = now + 250
        statistics.bytesInFlight = 0
        for slot in slots {
            account(slot)
            if slot.transfer != nil, slot.phase == .body { statistics.bytesInFlight += slot.received }
            if slot.answeredAt != 0, slot.transfer != nil { outage.noteContact(now) }
            abandonIfSlow(slot, now)
        }
        statistics.inFlight = inFlight
        statistics.window = window.size
        progress?(statistics)
    }

    /// A small request that takes far longer than the others is made again on a new connection, once: where most
    /// answers come in tens of milliseconds, one that has not come after seconds usually does not come at all.
    private func abandonIfSlow(_ slot: TransferSlot, _ now: UInt64) {
        guard let transfer = slot.transfer, slot.answeredAt == 0, bandwidth == nil, !transfer.progress.wasSlow,
            transfer.request.method == .get || transfer.request.method == .head,
            let limit = latency.limit(requests: statistics.requests), now > slot.startedAt + limit
        else { return }
        multi.remove(slot)
        _ = slot.takeTransfer()
        inFlight -= 1
        if slot.isSigned { idleSigned.append(slot) } else { idleUnsigned.append(slot) }
        latency.abandoned += 1
        statistics.retries += 1
        transfer.progress.wasSlow = true
        transfer.progress.wantsFreshConnection = true
        transfer.progress.attempts -= 1
        transferAgain(transfer, due: now)
    }

    private func cancelAll() {
        var transfers = waiting.takeAll()
        for slot in slots {
            guard let transfer = slot.takeTransfer() else { continue }
            multi.remove(slot)
            if slot.isSigned { idleSigned.append(slot) } else { idleUnsigned.append(slot) }
            transfers.append(transfer)
        }
        inFlight = 0
        for transfer in transfers {
            // The run is ending with an error already; a second one has nowhere to go.
            try? transfer.finished(.failure(S3Failure(.cancelled, message: "cancelled")))
        }
    }
}
