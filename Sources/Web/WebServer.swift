import Basics
import Blobs
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A server of HTTP/1.1 on raw event loops. It knows requests and answers, and nothing of what they mean.
///
/// Event loops read heads and write what they are given; whatever may block happens on the threads of the pool.
public final class WebServer: @unchecked Sendable {
    // What is not guarded is set before the server listens.

    /// A thread's own things.
    private struct ThreadPlace {
        let worker: any WebWorker
        let head = HeadWriter()
    }

    let options: WebOptions
    private let loops: MultiThreadedEventLoopGroup
    private let pool: WebPool<ThreadPlace>
    private let waiters: WebPool<HeadWriter>
    private let observer: @Sendable (WebExchange) -> Void
    private let listeners = Mutex<[any NIOCore.Channel]>([])
    private let connections = Mutex<[ObjectIdentifier: WebConnection]>([:])
    private let stopping = Atomic<Bool>(false)
    private let idle = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - service: answers requests; its workers are made here, so that what fails with them fails now.
    ///   - observer: hears of each answer, on any thread, once it is sent.
    public init(
        _ service: any WebService, _ options: WebOptions = WebOptions(),
        observer: @escaping @Sendable (WebExchange) -> Void = { _ in }
    ) throws {
        self.options = options
        self.observer = observer
        let places = try (0..<max(1, options.threads)).map { _ in ThreadPlace(worker: try service.makeWorker()) }
        pool = try WebPool("web-worker", places)
        waiters = try WebPool("web-waiter", (0..<max(1, options.waiters)).map { _ in HeadWriter() })
        loops = MultiThreadedEventLoopGroup(numberOfThreads: max(1, min(4, System.coreCount / 2)))
    }

    /// The connections that are open.
    public var openConnections: Int { connections.withLock { $0.count } }

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name that has some: all of them are listened at.
    ///   - port: 0 for one that is free.
    /// - Returns: the addresses, as `127.0.0.1` or `::1`, and the port.
    public func listen(host: String, port: Int) throws -> (addresses: [String], port: Int) {
        var addresses: [String] = []
        var port = port
        do {
            for address in try WebServer.addresses(host, port) {
                var address = address
                address.port = port
                let channel = try bootstrap().bind(to: address).wait()
                listeners.withLock { $0.append(channel) }
                port = channel.localAddress?.port ?? port
                addresses.append(channel.localAddress?.ipAddress ?? host)
            }
        } catch {
            stop()
            let reason = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
            throw IcecoreError(.system, "cannot listen at \(host), port \(port): \(reason)", cause: nil)
        }
        return (addresses, port)
    }

    /// The addresses that a name stands for.
    private static func addresses(_ host: String, _ port: Int) throws -> [SocketAddress] {
        if let address = try? SocketAddress(ipAddress: host, port: port) { return [address] }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else {
            throw IcecoreError(.notFound, "there is no address named so")
        }
        defer { freeaddrinfo(list) }
        var texts: [String] = []
        var entry = list
        while let found = entry?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(found.ai_addr, found.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if !texts.contains(name) { texts.append(name) }
            }
            entry = found.ai_next
        }
        return try texts.map { try SocketAddress(ipAddress: $0, port: port) }
    }

    private var decoderLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = options.headBytes
        limits.maxHeaderListSize = options.headBytes
        limits.maxHeaderFieldCount = options.headFields
        return limits
    }

    private func bootstrap() -> ServerBootstrap {
        let limits = decoderLimits
        return ServerBootstrap(group: loops)
            .serverChannelOption(.backlog, value: 512)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = HTTPRequestDecoder(
                        leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop,
                        limitConfiguration: limits)
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(decoder), WebConnection(self),
                    ])
                }
            }
    }

    /// Stops to listen, lets every answer that is being made or sent be sent, and ends. To be called once.
    public func stop() {
        stopping.store(true, ordering: .sequentiallyConsistent)
        for listener in listeners.withLock({ $0 }) { try? listener.close().wait() }
        let open = connections.withLock { Array($0.values) }
        for connection in open {
            connection.channel?.eventLoop.execute { connection.stop() }
        }
        while connections.withLock({ !$0.isEmpty }) { _ = idle.wait(timeout: .now() + .milliseconds(100)) }
        pool.stop()
        waiters.stop()
        try? loops.syncShutdownGracefully()
    }

    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    // MARK: - For connections

    /// - Returns: false if there are too many.
    func opened(_ connection: WebConnection) -> Bool {
        connections.withLock { connections in
            connections[ObjectIdentifier(connection)] = connection
            return connections.count <= options.connections
        }
    }

    func closed(_ connection: WebConnection) {
        connections.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(connection)) }
        if isStopping { idle.signal() }
    }

    func finished(_ exchange: WebExchange) {
        observer(exchange)
    }

    /// Has a request answered, and the beginning of the body read, in one hop.
    func answer(_ incoming: WebIncoming, for connection: WebConnection) {
        pool.submit { [self] place in
            let response = place.worker.answer(incoming.request)
            if case .pieces = response.body, incoming.request.method != "HEAD" {
                return wait(for: WaitingResponse(response: response), incoming, connection)
            }
            let maker = AnswerMaker(incoming: incoming, head: place.head)
            let answer: WebAnswer
            do {
                answer = try maker.answer(response)
            } catch {
                answer = maker.failure(place.worker.answer(failedBy: error, incoming.request))
            }
            deliver(answer, to: connection)
        }
    }

    private struct WaitingResponse: @unchecked Sendable {
        // Handed from one thread to another.
        let response: WebResponse
    }

    private func wait(for waiting: WaitingResponse, _ incoming: WebIncoming, _ connection: WebConnection) {
        waiters.submit { [self] head in
            let maker = AnswerMaker(incoming: incoming, head: head)
            let answer: WebAnswer
            do {
                answer = try maker.answer(waiting.response)
            } catch let failure as WebFailure {
                answer = maker.failure(failure.response)
            } catch {
                answer = maker.failure(WebResponse(status: 500))
            }
            deliver(answer, to: connection)
        }
    }

    private func deliver(_ answer: WebAnswer, to connection: WebConnection) {
        connection.channel?.eventLoop.execute { connection.send(answer) }
    }

    func read(_ blob: OpenBlob, _ range: Range<Int64>, for connection: WebConnection) {
        pool.submit { _ in
            var buffer = ByteBufferAllocator().buffer(capacity: range.count)
            let piece = Result { try AnswerMaker.append(blob, range, to: &buffer) }
            let read = (try? piece.get()).map { buffer }
            connection.channel?.eventLoop.execute { connection.take(read, bodyBytes: Int64(range.count)) }
        }
    }

    func read(_ rest: WebAnswer.Rest, for connection: WebConnection) {
        let source = Pieces(rest: rest)
        waiters.submit { _ in
            let made = source.read()
            connection.channel?.eventLoop.execute {
                connection.take(made?.piece, bodyBytes: made?.bytes ?? 0, rest: made?.rest.rest)
            }
        }
    }
}

/// A body that is made while it is sent.
private struct Pieces: @unchecked Sendable {
    // Handed from thread to thread, which have it one after the other.
    let rest: WebAnswer.Rest

    /// The next piece, and what follows it; nil if it cannot be had.
    func read() -> (piece: ByteBuffer, bytes: Int64, rest: Pieces)? {
        guard case .pieces(let left, let isChunked, let next) = rest, let piece = try? next().map({ $0 }) ?? [] else {
            return nil
        }
        var buffer = ByteBufferAllocator().buffer(capacity: piece.count + 16)
        AnswerMaker.append(piece, isChunked: isChunked, to: &buffer)
        let count = Int64(piece.count)
        guard let left else {
            if !piece.isEmpty { return (buffer, count, self) }
            if isChunked { buffer.writeStaticString("0\r\n\r\n") }
            return (buffer, 0, Pieces(rest: .none))
        }
        // Neither too long nor too short: the connection ends instead.
        guard count <= left, count > 0 || left == 0 else { return nil }
        let remains = left - count
        return (
            buffer, count, Pieces(rest: remains == 0 ? .none : .pieces(left: remains, isChunked: false, next: next))
        )
    }
}

extension AnswerMaker {
    /// An answer that has its bytes.
    func failure(_ response: WebResponse) -> WebAnswer {
        (try? answer(response))
            ?? WebAnswer(
                status: 500, first: ByteBuffer(), firstBody: 0, rest: .none, closes: true)
    }
}
