import Basics

/// One of a loop's places for requests in flight: an easy handle, and the attempt that it makes.
final class TransferSlot: EasyHandle {
    /// The part of the answer that comes next.
    enum AnswerPart {
        case head, body, errorBody
    }

    /// libcurl signs what the handle sends.
    let isSigned: Bool
    /// The request is signed, by libcurl or by itself.
    var hasCredentials = false
    private(set) var transfer: Transfer?
    private(set) var head = S3ResponseHead()
    private(set) var errorBody: [UInt8] = []
    private(set) var part = AnswerPart.head
    private(set) var received: Int64 = 0
    /// Why a callback stopped the attempt.
    private(set) var stopReason: (any Error)?
    /// When the attempt and its answer began (0: not yet), in milliseconds.
    private(set) var startedAt: UInt64 = 0
    private(set) var answeredAt: UInt64 = 0

    // What the handle was last set up for, so that only changes are passed to libcurl.
    var signedGeneration = -1
    var signedScope = ""
    var headers: HeaderList?
    var secrets: [String] = []
    var region = ""
    var generation = 0
    var url: [UInt8] = []
    var isGet = false

    /// The loop has a bandwidth limit: it says when the next bytes may come.
    var isLimited = false
    /// Bytes of bodies that the loop has yet to count for its bandwidth limit and statistics.
    var unaccounted: Int64 = 0

    private static let errorBodyLimit = 65536

    override init(signed: Bool) throws(IcecoreError) {
        isSigned = signed
        try super.init(signed: signed)
    }

    func begin(_ transfer: Transfer, now: UInt64) {
        self.transfer = transfer
        head.reset()
        errorBody.removeAll(keepingCapacity: true)
        part = .head
        received = 0
        stopReason = nil
        startedAt = now
        answeredAt = 0
    }

    func takeTransfer() -> Transfer? {
        defer { transfer = nil }
        return transfer
    }

    override func receive(header line: UnsafeRawBufferPointer) -> Bool {
        // Trailers after a chunked body are ignored.
        guard case .head = part, let transfer else { return true }
        guard head.add(line: line) else { return stop(S3Failure(.unexpected, message: "the answer is not HTTP")) }
        guard line.allSatisfy({ $0 == 0x0d || $0 == 0x0a }), head.status >= 200 else { return true }
        answeredAt = MonotonicClock.milliseconds()
        guard head.status < 300 else {
            part = .errorBody
            return true
        }
        part = .body
        do {
            try checkHead(transfer.request)
            try transfer.begin(head)
            return true
        } catch {
            return stop(error)
        }
    }

    /// Checks that the answer belongs to this request: a wrong one, stored as an object's content, is worse than none.
    private func checkHead(_ request: S3Request) throws(S3Failure) {
        guard request.method == .get else { return }
        if let range = request.range {
            guard head.status == 206, let answer = head.contentRange, answer.range.lowerBound == range.lowerBound,
                answer.range.upperBound <= range.upperBound
            else {
                throw S3Failure(
                    .unexpected, status: head.status, message: "the server did not answer with the range asked for")
            }
        } else if head.status != 200, !(head.status == 206 && request.query.contains { $0.name == "partNumber" }) {
            throw S3Failure(.unexpected, status: head.status, message: "the server answered \(head.status) to a GET")
        }
        if let expected = request.expectedLength, let length = head.contentLength, length != expected {
            throw .wrongLength(
                "the server sends \(length.of("byte")) where \(expected) \(expected.verb("was", "were")) expected")
        }
    }

    override func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
        received += Int64(bytes.count)
        unaccounted += Int64(bytes.count)
        guard let transfer else { return false }
        guard case .body = part else {
            let room = Self.errorBodyLimit - errorBody.count
            errorBody.append(contentsOf: bytes.prefix(max(0, room)))
            // Reading the rest of a short page is cheaper than a new connection.
            return received <= 4 * Int64(Self.errorBodyLimit)
        }
        if let expected = transfer.request.expectedLength, received > expected {
            return stop(S3Failure.wrongLength("the server sends more than the \(expected.of("byte")) expected"))
        }
        do {
            try transfer.body(bytes)
            if isLimited { pause() }
            return true
        } catch {
            return stop(error)
        }
    }

    override func send(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int? {
        guard let transfer, let length = transfer.request.uploadLength else { return nil }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(Int64(buffer.count), length - offset))])
        if room.isEmpty { return 0 }
        do {
            let count = try transfer.supply(into: room, at: offset)
            unaccounted += Int64(count)
            return count
        } catch {
            _ = stop(error)
            return nil
        }
    }

    private func stop(_ reason: any Error) -> Bool {
        stopReason = reason
        return false
    }

    /// The failure of this attempt; nil if it succeeded. Throws the transfer's own errors.
    func outcome(of result: CurlResult, _ transfer: Transfer) throws -> S3Failure? {
        switch result {
        case .done:
            if case .errorBody = part { return S3Failure(head: head, body: errorBody, secrets: secrets) }
            guard case .body = part else { return S3Failure(.unexpected, message: "the answer has no headers") }
            if transfer.request.method == .get, let expected = transfer.request.expectedLength, received != expected {
                return .wrongLength(
                    "the server sent \(received.of("byte")) where \(expected) \(expected.verb("was", "were")) expected")
            }
            do {
                try transfer.complete()
                return nil
            } catch let failure as S3Failure {
                return failure
            }
        case .refused:
            if let failure = stopReason as? S3Failure { return failure }
            if let stopReason { throw stopReason }
            if case .errorBody = part { return S3Failure(head: head, body: errorBody, secrets: secrets) }
            return S3Failure(.unexpected, message: "the answer is too long")
        case .unreachable(let reason): return S3Failure(.unreachable, message: Display.text(reason, limit: 200))
        case .untrusted(let reason): return S3Failure(.unexpected, message: reason)
        case .timedOut:
            return S3Failure(
                .timedOut, message: answeredAt == 0 ? "no answer within the time limit" : "the answer stalled")
        case .cut(let reason):
            // An error page that was cut short still says what is wrong.
            if case .errorBody = part { return S3Failure(head: head, body: errorBody, secrets: secrets) }
            return S3Failure(.cut, message: "the connection ended early (\(Display.text(reason, limit: 200)))")
        case .failed(let reason): return S3Failure(.unexpected, message: Display.text(reason, limit: 200))
        }
    }
}
