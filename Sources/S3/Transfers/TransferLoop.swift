import Basics
import Glibc

/// Runs many transfers at once on the caller's thread.
///
/// The loop pulls: it asks for the next transfer whenever there is room, so nothing queues in memory. A loop belongs to
/// one thread at a time; it keeps its connections from one ``run(_:)`` to the next.
public final class TransferLoop {
    public let options: Options
    /// Totals over all runs. Only to be read on the loop's thread.
    public private(set) var statistics = Statistics()
    /// Called on the loop's thread, at most four times a second.
    public var progress: ((Statistics) -> Void)?
    public var wakeup: Wakeup { Wakeup(waker: multi.waker) }

    private let service: S3Service
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

    init(_ service: S3Service, options: Options) throws(IcecoreError) {
        self.service = service
        self.options = options
        // Each request has a socket. A quarter of all files are contents that wait for their names.
        var ceiling = max(1, min(options.maxInFlight, limitOfOpenFiles() / 4 * 3 - 40))
        if let limit = options.bandwidthLimit {
            bandwidth = BandwidthLimit(bytesPerSecond: max(1, limit))
            // With many streams through a narrow pipe, all would look stalled.
            ceiling = min(ceiling, max(2, Int(limit / 262_144)))
        }
        window = ConcurrencyWindow(ceiling: ceiling)
        multi = try MultiHandle(connections: ceiling + 4)
    }

    /// Runs transfers until `next` has no more and all have finished.
    ///
    /// The failure of a single transfer is passed to that transfer. The run ends early with an error from `next` or
    /// from ``Transfer/finished(_:)``, if the endpoint cannot be reached at all, if credentials cannot be obtained, or
    /// if it is interrupted. Every unfinished transfer then gets ``S3Failure/Kind/cancelled``.
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
            // Under a limit, what one event brings is counted before the next is served.
            try multi.run(milliseconds: patience(now, isDry: isDry), events: bandwidth == nil ? Poller.mostEvents : 1)
            if !outage.hasContact, slots.contains(where: { $0.transfer != nil && $0.isConnected }) {
                outage.noteContact(MonotonicClock.milliseconds())
            }
            while let (easy, result) = multi.nextFinished() {
                if let slot = easy as? TransferSlot { try finish(slot, result) }
            }
            try checkSlots()
        }
    }

    // MARK: - Starting

    private var allowance: Int {
        // The first connections show whether there is a server; libcurl may use a thread to resolve its name for each.
        outage.hasContact ? window.size : min(window.size, 8)
    }

    /// Starts as many transfers as there is room for. True if `next` had none.
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
        // An interruption is noticed within a fifth of a second.
        var milliseconds = isDry && inFlight == 0 && waiting.isEmpty ? 20 : 200
        if inFlight < allowance, let due = waiting.nextDue {
            milliseconds = min(milliseconds, due > now ? Int(due - now) : 0)
        }
        return milliseconds
    }

    private func start(_ transfer: Transfer, _ now: UInt64) throws {
        let request = transfer.request
        guard let lines = request.headerLines(), S3Location.isBucket(request.bucket),
            request.range.map({ !$0.isEmpty && $0.lowerBound >= 0 }) ?? true
        else {
            try end(transfer, S3Failure(.invalidRequest, message: "part of the request cannot be sent"))
            return
        }
        let (credentials, generation) = try service.credentials.current()
        let signsItself = credentials != nil && RequestSignature.isNeeded(lines)
        let slot = try idleSlot(signed: credentials != nil && !signsItself)
        let region = transfer.progress.region ?? service.region(of: request.bucket)
        slot.region = region
        slot.generation = generation
        slot.hasCredentials = credentials != nil
        slot.secrets = credentials?.secrets ?? []
        if let credentials, slot.isSigned, slot.signedGeneration != generation || slot.signedScope != region {
            slot.setSigner(
                scope: "aws:amz:\(region):s3", accessKey: credentials.accessKeyId,
                secretKey: credentials.secretAccessKey)
            slot.signedGeneration = generation
            slot.signedScope = region
        }
        prepareURL(slot, transfer, region)
        let signature = signsItself ? credentials.map { RequestSignature(credentials: $0, region: region) } : nil
        let headers = headers(request, lines, credentials, generation, signature, slot.url)
        slot.headers = headers
        setMethod(slot, request)
        let range = request.range.map { "\($0.lowerBound)-\($0.upperBound - 1)" }
        let length = request.range.map { Int64($0.count) } ?? request.expectedLength ?? 0
        slot.setTarget(
            url: slot.url, range: range, headers: headers, freshConnection: transfer.progress.wantsFreshConnection,
            large: length > 1 << 20)
        slot.acceptGzip(transfer.progress.acceptsGzip)
        transfer.progress.attempts += 1
        slot.begin(transfer, now: now)
        try multi.add(slot)
        inFlight += 1
        statistics.requests += 1
        service.requests.add(1, ordering: .relaxed)
    }

    private func idleSlot(signed: Bool) throws(IcecoreError) -> TransferSlot {
        if let slot = signed ? idleSigned.popLast() : idleUnsigned.popLast() { return slot }
        let slot = try TransferSlot(signed: signed)
        let isLimited = options.bandwidthLimit != nil
        slot.setTimeouts(
            connectMilliseconds: options.connectTimeout, stallSeconds: options.stallTimeout * (isLimited ? 4 : 1),
            bytesPerSecond: isLimited ? 1 : 64)
        if let bandwidth {
            slot.isLimited = true
            slot.limitBuffers(to: bandwidth.step(window.ceiling), socket: bandwidth.buffered(window.ceiling))
        }
        if let bundle = service.configuration.certificateBundle { slot.setCertificateBundle(bundle) }
        slots.append(slot)
        return slot
    }

    private func prepareURL(_ slot: TransferSlot, _ transfer: Transfer, _ region: String) {
        slot.url.removeAll(keepingCapacity: true)
        slot.url.append(contentsOf: base(transfer.request.bucket, region, transfer.progress.host))
        transfer.request.appendTarget(to: &slot.url)
        slot.url.append(0)
    }

    /// The URL up to the key; remembered, because nearly all requests are for the same bucket.
    private func base(_ bucket: String, _ region: String, _ host: Endpoint?) -> [UInt8] {
        if host == nil, let lastBase, lastBase.bucket == bucket, lastBase.region == region { return lastBase.bytes }
        let base = service.configuration.base(bucket: bucket, region: region, host: host)
        let bytes = Array(base.origin.utf8) + base.path
        if host == nil { lastBase = (bucket, region, bytes) }
        return bytes
    }

    private func setMethod(_ slot: TransferSlot, _ request: S3Request) {
        switch request.method {
        case .get:
            // Usually the handle's last request was a GET too.
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
        _ request: S3Request, _ lines: [String], _ credentials: Credentials?, _ generation: Int,
        _ signature: RequestSignature?, _ url: [UInt8]
    ) -> HeaderList {
        let isUpload = request.uploadLength != nil
        let isStandard = lines.isEmpty && request.payload == nil && !isUpload
        if isStandard, let standardHeaders, standardHeaders.generation == generation { return standardHeaders.list }
        var all = lines
        // An upload's body is read only while it is sent; its Content-MD5, which is signed, protects it.
        let digest =
            isUpload
            ? "UNSIGNED-PAYLOAD" : request.payload.map { Hex.encode(SHA256.digest($0)) } ?? Self.emptyDigest
        if let credentials {
            all.append("x-amz-content-sha256: \(digest)")
            if let token = credentials.sessionToken { all.append("x-amz-security-token: \(token)") }
        }
        if service.configuration.requesterPays { all.append("x-amz-request-payer: requester") }
        if request.payload != nil || isUpload,
            !request.headers.contains(where: { $0.name.lowercased() == "content-type" })
        {
            all.append("Content-Type: application/octet-stream")
        }
        if let signature { all += signature.headers(request.method.name, url, all, digest: digest) }
        let list = HeaderList(all)
        if isStandard { standardHeaders = (generation, list) }
        return list
    }

    // MARK: - Ending

    private func finish(_ slot: TransferSlot, _ result: CurlResult) throws {
        guard let transfer = slot.takeTransfer() else { return }
        inFlight -= 1
        account(slot)
        makeIdle(slot)
        let now = MonotonicClock.milliseconds()
        if slot.answeredAt != 0 {
            outage.noteContact(slot.answeredAt)
            latency.add(slot.answeredAt - slot.startedAt)
        }
        if case .untrusted(let reason) = result {
            retry(transfer, due: now)
            throw IcecoreError(
                .unavailable,
                "the certificate of \(origin(transfer)) cannot be trusted: \(Display.text(reason, limit: 200))")
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
        if slot.part == .body { transfer.restart() }
        failure.attempts = transfer.progress.attempts
        failure.object = transfer.request.displayName
        failure.neededPermission = transfer.request.neededPermission
        if failure.kind == .unreachable {
            try retryUnreachable(transfer, failure, slot, now)
            return
        }
        window.ended(bytes: 0, overloaded: failure.isOverload, now: now)
        if try retryElsewhere(transfer, failure, slot, now) { return }
        guard failure.isTransient, transfer.progress.attempts < options.attempts else {
            service.explain(
                &failure, bucket: transfer.request.bucket, server: origin(transfer), isSigned: slot.hasCredentials)
            try end(transfer, failure)
            return
        }
        statistics.retries += 1
        transfer.progress.wantsFreshConnection = failure.kind == .timedOut
        if failure.isWrongLength { transfer.progress.acceptsGzip.toggle() }
        var delay = backoff(attempt: transfer.progress.attempts)
        if let wanted = slot.head.value(.retryAfter).flatMap({ UInt64($0) }), wanted <= 30 {
            delay = max(delay, wanted * 1000)
        }
        retry(transfer, due: now + delay)
    }

    private func end(_ transfer: Transfer, _ failure: S3Failure) throws {
        statistics.failed += 1
        var failure = failure
        if failure.object.isEmpty { failure.object = transfer.request.displayName }
        try transfer.finished(.failure(failure))
    }

    private func makeIdle(_ slot: TransferSlot) {
        if slot.isSigned { idleSigned.append(slot) } else { idleUnsigned.append(slot) }
    }

    private func retry(_ transfer: Transfer, due: UInt64) {
        waiting.add(transfer, due: due)
    }

    /// Exponential, with jitter between half and one and a half times the nominal wait.
    private func backoff(attempt: Int) -> UInt64 {
        let nominal = min(options.maxBackoff, options.backoff << min(max(0, attempt - 1), 16))
        return UInt64(max(1, Int.random(in: nominal / 2...max(1, nominal + nominal / 2))))
    }

    /// Retries with renewed credentials, in another region or at another host. True if it does.
    private func retryElsewhere(
        _ transfer: Transfer, _ failure: S3Failure, _ slot: TransferSlot, _ now: UInt64
    ) throws -> Bool {
        if failure.isExpiredCredentials, slot.hasCredentials, transfer.progress.renewals < 3 {
            transfer.progress.renewals += 1
            guard try service.credentials.renew(after: slot.generation) else { return false }
        } else if [301, 302, 307, 308, 400].contains(failure.status), transfer.progress.redirects < 4 {
            let redirection = service.redirection(
                failure, bucket: transfer.request.bucket, region: slot.region, host: transfer.progress.host)
            switch redirection {
            case .region(let region):
                transfer.progress.region = nil
                transfer.progress.host = nil
                service.learn(region: region, of: transfer.request.bucket)
            case .host(let endpoint): transfer.progress.host = endpoint
            case nil: return false
            }
            transfer.progress.redirects += 1
        } else {
            return false
        }
        // Not the transfer's fault, so it does not count as an attempt.
        transfer.progress.attempts -= 1
        statistics.retries += 1
        retry(transfer, due: now)
        return true
    }

    /// While the server cannot be reached, transfers wait without losing attempts; after a while the whole run ends.
    private func retryUnreachable(
        _ transfer: Transfer, _ failure: S3Failure, _ slot: TransferSlot, _ now: UInt64
    ) throws {
        outage.noteFailure(startedAt: slot.startedAt)
        transfer.progress.attempts -= 1
        transfer.progress.connectFailures += 1
        if outage.isConfirmed(now) {
            retry(transfer, due: now)
            throw IcecoreError(.unavailable, "cannot reach \(origin(transfer)): \(failure.message)")
        }
        // If others get through, this one is not retried for ever.
        guard outage.isSuspected || transfer.progress.connectFailures <= 50 else {
            try end(transfer, failure)
            return
        }
        statistics.retries += 1
        retry(transfer, due: now + min(1500, backoff(attempt: transfer.progress.connectFailures)))
    }

    private func origin(_ transfer: Transfer) -> String {
        let bucket = transfer.request.bucket
        let region = transfer.progress.region ?? service.region(of: bucket)
        return service.configuration.base(bucket: bucket, region: region, host: transfer.progress.host).origin
    }

    // MARK: - While it runs

    private func account(_ slot: TransferSlot) {
        statistics.bytes += slot.unaccounted
        bandwidth?.spend(slot.unaccounted)
        slot.unaccounted = 0
    }

    /// Enforces the bandwidth limit; four times a second, also while that has it wait, reports how it goes.
    private func checkSlots() throws {
        if bandwidth != nil {
            for slot in slots where slot.unaccounted != 0 { account(slot) }
            // The senders slow down because nobody reads.
            while let pause = bandwidth?.pause(MonotonicClock.milliseconds()) {
                usleep(UInt32(min(100, pause) * 1000))
                try Interruption.check()
                report()
            }
            for slot in slots where slot.isPaused { slot.resume() }
        }
        report()
    }

    /// Reports progress and looks for slow requests, if that is due.
    private func report() {
        let now = MonotonicClock.milliseconds()
        guard now >= nextCheck else { return }
        nextCheck = now + 250
        statistics.bytesInFlight = 0
        for slot in slots {
            account(slot)
            if slot.transfer != nil, slot.part == .body { statistics.bytesInFlight += slot.received }
            if slot.answeredAt != 0, slot.transfer != nil { outage.noteContact(now) }
            abandonIfSlow(slot, now)
        }
        statistics.inFlight = inFlight
        statistics.window = window.size
        progress?(statistics)
    }

    /// Retries a request once, on a new connection, if its answer takes far longer to begin than others: where most
    /// answers take tens of milliseconds, one that has not begun after seconds usually never comes.
    private func abandonIfSlow(_ slot: TransferSlot, _ now: UInt64) {
        guard let transfer = slot.transfer, slot.answeredAt == 0, bandwidth == nil, !transfer.progress.wasSlow,
            transfer.request.method == .get || transfer.request.method == .head,
            let limit = latency.limit(requests: statistics.requests), now > slot.startedAt + limit
        else { return }
        multi.remove(slot)
        _ = slot.takeTransfer()
        inFlight -= 1
        makeIdle(slot)
        latency.abandoned += 1
        statistics.retries += 1
        transfer.progress.wasSlow = true
        transfer.progress.wantsFreshConnection = true
        transfer.progress.attempts -= 1
        retry(transfer, due: now)
    }

    private func cancelAll() {
        var transfers = waiting.takeAll()
        for slot in slots {
            guard let transfer = slot.takeTransfer() else { continue }
            multi.remove(slot)
            makeIdle(slot)
            transfers.append(transfer)
        }
        inFlight = 0
        for transfer in transfers {
            // The run already ends with an error, so a second one cannot be reported.
            try? transfer.finished(.failure(S3Failure(.cancelled, message: "cancelled")))
        }
    }
}
