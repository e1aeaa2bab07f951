import Basics
import Foundation
import Testbed
import Testing
import Web

/// What a server does with its connections, whatever it serves.
@Suite struct WebServerTests {
    /// Answers by what the path says.
    private struct TestService: WebService {
        func makeWorker() throws -> any WebWorker { TestWorker() }
    }

    private final class TestWorker: WebWorker {
        func answer(_ request: WebRequest) -> WebResponse {
            switch String(decoding: request.path, as: UTF8.self) {
            case "/chunks": WebResponse(status: 200, body: .pieces(length: nil, next: TestWorker.pieces()))
            case "/length": WebResponse(status: 200, body: .pieces(length: 6, next: TestWorker.pieces()))
            case "/short": WebResponse(status: 200, body: .pieces(length: 9, next: TestWorker.pieces()))
            case "/long": WebResponse(status: 200, body: .pieces(length: 4, next: TestWorker.pieces()))
            case "/fails": WebResponse(status: 200, body: .pieces(length: 100_000, next: TestWorker.failing(after: 2)))
            case "/refuses": WebResponse(status: 200, body: .pieces(length: 100, next: TestWorker.failing(after: 0)))
            case "/evil": WebResponse(status: 200, headers: [("X-A", "a\r\nX-B: b\u{0}")], body: .bytes([65]))
            case "/wait": WebResponse(status: 200, body: .pieces(length: 1, next: TestWorker.waiting()))
            case "/big": WebResponse(status: 200, body: .bytes([UInt8](repeating: 66, count: 8 << 20)))
            default: WebResponse(status: 200, body: .bytes(Array("\(request.method)".utf8)))
            }
        }

        static func pieces() -> () throws -> [UInt8]? {
            var rest = ["ab", "c", "def"]
            return { rest.isEmpty ? nil : Array(rest.removeFirst().utf8) }
        }

        static func failing(after count: Int) -> () throws -> [UInt8]? {
            var left = count
            return {
                guard left > 0 else { throw WebFailure(WebResponse(status: 403, body: .bytes(Array("no".utf8)))) }
                left -= 1
                return [UInt8](repeating: 67, count: 1000)
            }
        }

        static func waiting() -> () throws -> [UInt8]? {
            {
                usleep(1_500_000)
                return [68]
            }
        }
    }

    private func use(_ options: WebOptions = WebOptions(), _ body: (WebServer, Int) throws -> Void) throws {
        let server = try WebServer(TestService(), options)
        let place = try server.listen(host: "127.0.0.1", port: 0)
        defer { server.stop() }
        try body(server, place.port)
    }

    /// What comes until the end of the connection, or until so many seconds are over.
    private func ask(_ port: Int, _ text: String, seconds: Int = 60) throws -> String {
        let link = try Link(port)
        link.send(text)
        return link.readAll(seconds: seconds)
    }

    private func get(_ port: Int, _ path: String) throws -> String {
        try ask(port, "GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    }

    @Test func bodiesAreWholeOrCut() throws {
        try use { _, port in
            #expect(try get(port, "/chunks").hasSuffix("\r\n\r\n2\r\nab\r\n1\r\nc\r\n3\r\ndef\r\n0\r\n\r\n"))
            #expect(try get(port, "/length").hasSuffix("Content-Length: 6\r\nConnection: close\r\n\r\nabcdef"))
            // Neither can be taken for a whole body.
            #expect(try get(port, "/short").contains("Content-Length: 9\r\n"))
            #expect(try get(port, "/short").hasSuffix("abcdef"))
            #expect(try get(port, "/long").hasSuffix("\r\n\r\nabc"))
            let cut = try get(port, "/fails")
            #expect(cut.contains("Content-Length: 100000\r\n") && cut.utf8.count < 3000)
            let refused = try get(port, "/refuses")
            #expect(refused.hasPrefix("HTTP/1.1 403 ") && refused.hasSuffix("\r\n\r\nno"))
            let evil = try get(port, "/evil")
            #expect(evil.contains("X-A: a  X-B: b \r\n") && !evil.contains("\r\nX-B"))
            let old = try ask(port, "GET /chunks HTTP/1.0\r\n\r\n")
            #expect(old.hasSuffix("\r\n\r\nabcdef") && !old.contains("chunked"))
            let head = try ask(port, "HEAD /big HTTP/1.0\r\n\r\n")
            #expect(head.hasSuffix("Content-Length: 8388608\r\nConnection: close\r\n\r\n"))
        }
    }

    @Test func slowAndIdleClientsAreSentAway() throws {
        var options = WebOptions()
        options.requestSeconds = 1
        options.sendSeconds = 1
        try use(options) { server, port in
            // Nothing, half a head, and nothing after an answer.
            for text in ["", "GET / HTTP/1.1\r\nHost: x\r\nX: ", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
                let start = MonotonicClock.milliseconds()
                let got = try ask(port, text, seconds: Int(Patience.seconds(10)))
                let time = Int64(MonotonicClock.milliseconds() - start)
                #expect(time >= 900 && time < Patience.milliseconds(3000), "\(time) ms: \(got)")
            }
            // A byte now and then does not help.
            let dripping = try Link(port)
            let start = MonotonicClock.milliseconds()
            while dripping.send("x"), MonotonicClock.milliseconds() < start + 30_000 { usleep(100_000) }
            #expect(Int64(MonotonicClock.milliseconds() - start) < Patience.milliseconds(4000))
            // Who takes nothing of a large body is sent away, too.
            let deaf = try Link(port)
            deaf.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(Clock.wait(seconds: Patience.seconds(10)) { server.openConnections == 0 })
            _ = deaf
        }
    }

    @Test func tooManyConnectionsAreTold() throws {
        var options = WebOptions()
        options.connections = 3
        try use(options) { server, port in
            let links = try (0..<3).map { _ in try Link(port) }
            #expect(Clock.wait(seconds: Patience.seconds(5)) { server.openConnections == 3 })
            #expect(try ask(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").hasPrefix("HTTP/1.1 503 "))
            links[0].close()
            #expect(Clock.wait(seconds: Patience.seconds(5)) { server.openConnections == 2 })
            #expect(try get(port, "/").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func anEndLetsAnswersBeFinished() throws {
        let server = try WebServer(TestService())
        let port = try server.listen(host: "localhost", port: 0).port
        let idle = try Link(port)
        let busy = try Link(port)
        busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        usleep(300_000)
        server.stop()
        #expect(busy.readAll(seconds: 10).hasSuffix("\r\n\r\nD"))
        #expect(idle.readAll(seconds: 10).isEmpty)
        #expect(throws: (any Error).self) { try Link(port) }
    }
}

/// A connection of a test's own.
private final class Link {
    private let descriptor: Int32

    init(_ port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var small: Int32 = 4096
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(MemoryLayout<Int32>.size))
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw TestbedError("cannot connect: \(String(cString: strerror(errno)))") }
    }

    deinit { close() }

    private var isClosed = false

    func close() {
        if !isClosed { Glibc.close(descriptor) }
        isClosed = true
    }

    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    func readAll(seconds: Int) -> String {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            if count <= 0 { break }
            all += piece[..<count]
        }
        return String(decoding: all, as: UTF8.self)
    }
}
