import Basics
import DequeModule
import Glibc
import NIOCore
import NIOHTTP1

/// One connection: requests in, answers out, in their order. Everything in it happens on its event loop.
final class WebConnection: ChannelInboundHandler, @unchecked Sendable {
    // Other threads only hold it.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = IOData

    private enum ConnectionPhase {
        /// For a request.
        case waiting
        /// A thread makes the answer, and takes the time that it takes.
        case working
        case sending
        /// The last answer was sent; what the client still sends is read, so that the answer is not lost with it.
        case lingering
        case closed
    }

    let server: WebServer
    private let options: WebOptions
    private(set) var channel: (any NIOCore.Channel)?
    private var context: ChannelHandlerContext?
    private var peer = ""
    private var phase = ConnectionPhase.waiting

    /// The request whose body is being read.
    private var arriving: WebIncoming?
    private var arrivingBytes = 0
    /// Requests that wait for their turn.
    private var queue: Deque<WebIncoming> = []
    private var current: WebIncoming?
    /// Nothing further is answered on this connection.
    private var isLast = false
    /// What arrives is thrown away: the body of a request that was refused.
    private var discards = false
    private var discarded = 0

    /// What is being sent.
    private var rest = WebAnswer.Rest.none
    private var isReading = false
    private var writes = 0
    private var status = 0
    private var sent: Int64 = 0
    private var closes = false

    private var deadline: NIODeadline?
    private var timer: Scheduled<Void>?

    private static let mostDiscarded = 16 << 20

    init(_ server: WebServer) {
        self.server = server
        options = server.options
    }

    // MARK: - Arrival

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        channel = context.channel
        peer = context.remoteAddress.map { $0.ipAddress ?? "\($0)" } ?? ""
        guard server.opened(self) else {
            refuse(503, "too many connections\n")
            return
        }
        expectRequest()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if current != nil { report(isCut: true) }
        phase = .closed
        rest = .none
        queue.removeAll()
        timer?.cancel()
        timer = nil
        self.context = nil
        server.closed(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let bytes): takeBody(bytes.readableBytes)
        case .end:
            guard !discards, let incoming = arriving else { return }
            arriving = nil
            enqueue(incoming)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // While an answer is made, one more piece may arrive: to stop the socket from reporting it, and to start again, would
        // be two system calls for each request.
        if phase == .waiting || phase == .lingering || (phase == .working && queue.isEmpty) { context.read() }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(.inputClosed) = event as? ChannelEvent else { return }
        isLast = true
        if phase == .waiting || phase == .lingering { close() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, phase == .waiting || phase == .working || phase == .sending else {
            return close()
        }
        // What follows cannot be told apart any more.
        isLast = true
        discards = true
        if case .headerOverflow? = error as? HTTPParserError {
            if current == nil { refuse(431, "the head of the request is too long\n") }
        } else if current == nil {
            refuse(400, "this is no request of HTTP\n")
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        if isLast || discards { return }
        let target = head.uri.utf8
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        let query = path.endIndex == target.endIndex ? nil : Array(target[target.index(after: path.endIndex)...])
        var incoming = WebIncoming(
            request: WebRequest(
                method: head.method.rawValue, path: Array(path), query: query,
                headers: head.headers.map { ($0.name, $0.value) }, peer: peer),
            closes: !head.isKeepAlive, knowsChunks: head.version.major == 1 && head.version.minor >= 1,
            arrived: monotonicNanoseconds())
        let isChunked = head.headers.contains(name: "transfer-encoding")
        let length = head.headers.first(name: "content-length").flatMap { Int64($0) } ?? 0
        // A client that asks before it sends a body is answered before it does.
        if length > options.bodyBytes || (head.headers.contains(name: "expect") && (isChunked || length > 0)) {
            incoming.closes = true
            discards = true
            return enqueue(incoming)
        }
        arriving = incoming
        arrivingBytes = 0
    }

    private func takeBody(_ count: Int) {
        if discards {
            discarded += count
            if phase == .lingering, discarded > WebConnection.mostDiscarded { close() }
            return
        }
        arrivingBytes += count
        guard arrivingBytes > options.bodyBytes, var incoming = arriving else { return }
        arriving = nil
        incoming.closes = true
        discards = true
        enqueue(incoming)
    }

    private func enqueue(_ incoming: WebIncoming) {
        if incoming.closes { isLast = true }
        guard current == nil, phase == .waiting else { return queue.append(incoming) }
        start(incoming)
    }

    private func start(_ incoming: WebIncoming) {
        current = incoming
        status = 0
        sent = 0
        phase = .working
        deadline = nil
        server.answer(incoming, for: self)
    }

    // MARK: - Answers

    /// Sends what a thread of the pool has made.
    func send(_ answer: WebAnswer) {
        guard phase == .working, current != nil else { return }
        phase = .sending
        status = answer.status
        rest = answer.rest
        closes = closes || answer.closes || server.isStopping
        write(answer.first, bodyBytes: answer.firstBody)
        readOn()
    }

    private func write(_ buffer: ByteBuffer, bodyBytes: Int64) {
        guard let context else { return }
        writes += 1
        expect(within: options.sendSeconds)
        let count = Int64(buffer.readableBytes)
        AnswerMaker.underWay.add(count, ordering: .relaxed)
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { [self] result in
            AnswerMaker.underWay.subtract(count, ordering: .relaxed)
            writes -= 1
            guard phase == .sending else { return }
            guard case .success = result else { return close() }
            sent += bodyBytes
            expect(within: options.sendSeconds)
            readOn()
        }
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(buffer)), promise: promise)
    }

    /// Has the next piece read, unless enough is under way; ends the answer after the last one.
    private func readOn() {
        guard phase == .sending, !isReading, writes < 2 else { return }
        switch rest {
        case .none:
            if writes == 0 { finish() }
        case .content(let blob, let range):
            let end = range.lowerBound + AnswerMaker.piece(Int64(range.count))
            rest = end < range.upperBound ? .content(blob, end..<range.upperBound) : .none
            isReading = true
            server.read(blob, range.lowerBound..<end, for: self)
        case .pieces(let left, let isChunked, let next):
            isReading = true
            server.read(WebAnswer.Rest.pieces(left: left, isChunked: isChunked, next: next), for: self)
        }
    }

    /// Takes a piece that a thread has read; nil if that failed.
    func take(_ piece: ByteBuffer?, bodyBytes: Int64, rest: WebAnswer.Rest? = nil) {
        isReading = false
        guard phase == .sending else { return }
        guard let piece else { return close() }
        if let rest { self.rest = rest }
        if piece.readableBytes > 0 { write(piece, bodyBytes: bodyBytes) }
        readOn()
    }

    private func finish() {
        report(isCut: false)
        if closes { return end() }
        if let next = queue.popFirst() { return start(next) }
        if isLast { return end() }
        expectRequest()
    }

    private func report(isCut: Bool) {
        guard let incoming = current else { return }
        current = nil
        server.finished(
            WebExchange(
                request: incoming.request, status: status, bytes: sent,
                milliseconds: Double(monotonicNanoseconds() - incoming.arrived) / 1e6, isCut: isCut))
    }

    /// Answers what is no request, or one too many.
    private func refuse(_ status: Int, _ text: String) {
        isLast = true
        closes = true
        discards = true
        current = nil
        phase = .sending
        let response = WebResponse(
            status: status, headers: [("Content-Type", "text/plain")], body: .bytes(Array(text.utf8)))
        var buffer = ByteBufferAllocator().buffer(capacity: 512)
        HeadWriter().write(
            response, length: response.body.length, isChunked: false, closes: true, to: &buffer)
        buffer.writeString(text)
        write(buffer, bodyBytes: 0)
    }

    // MARK: - The end

    private func expectRequest() {
        phase = .waiting
        if server.isStopping { return close() }
        expect(within: options.requestSeconds)
        context?.read()
    }

    /// Ends the connection as soon as it is idle.
    func stop() {
        if phase == .waiting { close() } else { closes = true }
    }

    private func end() {
        guard discards, let context else { return close() }
        phase = .lingering
        expect(within: 2)
        context.close(mode: .output, promise: nil)
        context.read()
    }

    private func close() {
        context?.close(promise: nil)
    }

    private func expect(within seconds: Int64) {
        let time = NIODeadline.now() + .seconds(seconds)
        deadline = time
        // One timer at a time: it looks whether the deadline has moved.
        if timer == nil { schedule(time) }
    }

    private func schedule(_ time: NIODeadline) {
        timer = context?.eventLoop.scheduleTask(deadline: time) { [weak self] in
            guard let self else { return }
            timer = nil
            guard let deadline, phase != .closed else { return }
            if deadline <= NIODeadline.now() { close() } else { schedule(deadline) }
        }
    }
}

/// Nanoseconds of a clock that never goes back.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
