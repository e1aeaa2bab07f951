import Basics
import Foundation
import Testbed
import Testing

@testable import S3

/// Against a server that fails as told.
@Suite(.serialized) struct TransferLoopTests {
    private static var quick: TransferLoop.Options {
        var options = TransferLoop.Options()
        options.backoff = 10
        options.maxBackoff = 100
        options.stallTimeout = 2
        return options
    }

    private func client(_ server: S3Server) throws -> S3Client {
        try S3Client(server, unsigned: true)
    }

    @Test func everythingArrivesFromAServerThatOftenFails() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        (faults.status503, faults.status500, faults.cut, faults.wrong, faults.reset) = (0.05, 0.03, 0.05, 0.05, 0.03)
        try server.set(faults)
        let count = 2000
        // One answer in five fails: six attempts would leave one of 2000 objects out in one run of six.
        var options = Self.quick
        options.attempts = 12
        let (results, _) = try fetchSynthetic(client(server), count: count, size: 3000, options: options)
        #expect(results.allSatisfy { $0?.isSuccess == true })
        let requests = try server.statistics().requests
        #expect(requests > count)
        #expect(Double(requests) <= 1.5 * Double(count))
    }

    @Test func onlyWhatIsAlwaysWrongFails() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        faults.alwaysWrong = ["/synthetic/1000/o7"]
        faults.alwaysFail = ["/synthetic/1000/o9"]
        try server.set(faults)
        let (results, _) = try fetchSynthetic(client(server), count: 300, size: 1000, options: Self.quick)
        for (index, result) in results.enumerated() where index != 7 && index != 9 {
            #expect(result?.isSuccess == true)
        }
        let wrong = try failure { try results[7]?.get() }
        #expect(wrong.kind == .corrupt)
        #expect(wrong.attempts == 6)
        let broken = try failure { try results[9]?.get() }
        #expect(broken.code == "InternalError")
        #expect(broken.status == 500)
        let targets = try server.statistics().targets
        #expect(targets["/synthetic/1000/o7"] == 6)
        #expect(targets["/synthetic/1000/o8"] == 1)
    }

    @Test func anAnswerThatNeverComesIsAskedForAgain() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        faults.stall = 0.02
        try server.set(faults)
        let (results, _) = try fetchSynthetic(client(server), count: 200, size: 100, options: Self.quick)
        #expect(results.allSatisfy { $0?.isSuccess == true })
    }

    @Test func aServerThatIsNotThereIsOneSentence() throws {
        let environment = ["AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"]
        for endpoint in ["http://127.0.0.1:9", "http://no-such-host.invalid"] {
            let client = S3Client(
                try S3Configuration(endpointURL: endpoint, unsigned: true, environment: environment))
            let start = MonotonicClock.milliseconds()
            var cancelled = 0
            let error = try icecoreError {
                let loop = try TransferLoop(client)
                try loop.run(count: 1000) { _ in
                    CheckedTransfer(S3Request(bucket: "bucket", key: bytes("k"))) { _, result in
                        cancelled += result.isSuccess ? 0 : 1
                    }
                }
            }
            #expect(error.code == .unavailable)
            #expect(error.message.hasPrefix("cannot reach \(endpoint): "))
            #expect(!error.message.contains("\n"))
            #expect(cancelled > 0 && cancelled < 1000)
            #expect(MonotonicClock.milliseconds() - start < Patience.milliseconds(8000))
        }
    }

    @Test func manyRequestsAreInFlightAtOnce() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        faults.latency = 0.5
        try server.set(faults)
        let start = MonotonicClock.milliseconds()
        let (results, _) = try fetchSynthetic(client(server), count: 2000, size: 10)
        let elapsed = MonotonicClock.milliseconds() - start
        #expect(results.allSatisfy { $0?.isSuccess == true })
        let statistics = try server.statistics()
        #expect(statistics.most == 256)
        #expect(statistics.connections <= 256 + 8)
        // One after the other they would take 1000 seconds.
        #expect(elapsed < Patience.milliseconds(15_000))
    }

    @Test func nothingIsPulledThatCannotBeSent() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        faults.latency = 0.02
        try server.set(faults)
        var options = Self.quick
        options.maxInFlight = 8
        let loop = try TransferLoop(client(server), options: options)
        var pulled = 0
        var finished = 0
        var most = 0
        try loop.run(count: 200) { index in
            pulled += 1
            most = max(most, pulled - finished)
            return CheckedTransfer(S3Request(bucket: "synthetic", key: bytes("10/\(index)"))) { _, _ in finished += 1 }
        }
        #expect(finished == 200)
        #expect(most <= 8)
    }

    @Test func nextMayHaveNothingForAWhile() throws {
        let server = try FaultServer()
        let loop = try TransferLoop(client(server), options: Self.quick)
        var finished = 0
        var given = 0
        // One at a time: each becomes known when the one before has arrived.
        try loop.run {
            if given == 20 { return .finished }
            guard given == finished else { return .waiting }
            given += 1
            return .transfer(
                CheckedTransfer(S3Request(bucket: "synthetic", key: bytes("10/\(given)"))) { _, result in
                    #expect(result.isSuccess)
                    finished += 1
                })
        }
        #expect(finished == 20)
        #expect(try server.statistics().most == 1)
    }

    @Test func anErrorOfTheCallerEndsTheRunAndTellsEveryTransfer() throws {
        let server = try FaultServer()
        var faults = FaultServer.Faults()
        faults.latency = 0.01
        try server.set(faults)
        let loop = try TransferLoop(client(server), options: Self.quick)
        var started = 0
        var ended = 0
        #expect(throws: TestbedError.self) {
            try loop.run {
                if started == 100 { throw TestbedError("enough") }
                started += 1
                return .transfer(
                    CheckedTransfer(S3Request(bucket: "synthetic", key: bytes("10/\(started)"))) { _, _ in ended += 1 })
            }
        }
        #expect(started == 100)
        #expect(ended == 100)
        // The loop can be used again.
        var again = 0
        try loop.run(count: 10) { index in
            CheckedTransfer(S3Request(bucket: "synthetic", key: bytes("10/\(index)"))) { _, result in
                again += result.isSuccess ? 1 : 0
            }
        }
        #expect(again == 10)
    }

    @Test func largeBodiesArriveWholeAndInPieces() throws {
        let server = try FaultServer()
        let size = 40 << 20
        let digest = MD5.digest(synthetic(size, "large"))
        let loop = try TransferLoop(client(server), options: Self.quick)
        var results: [Bool] = []
        try loop.run(count: 2) { _ in
            CheckedTransfer(
                S3Request(bucket: "synthetic", key: bytes("\(size)/large"), expectedLength: Int64(size)), md5: digest
            ) { transfer, result in results.append(result.isSuccess && transfer.size == size) }
        }
        #expect(results == [true, true])
        var faults = FaultServer.Faults()
        faults.cut = 0.4
        try server.set(faults)
        let part = try client(server).get(
            bucket: "synthetic", key: bytes("\(size)/large"), range: 1_000_001..<3_000_001, limit: 4 << 20)
        #expect(part.bytes == Array(synthetic(size, "large")[1_000_001..<3_000_001]))
    }

    @Test func theBandwidthLimitHolds() throws {
        let server = try FaultServer()
        var options = Self.quick
        options.bandwidthLimit = 2 << 20
        let start = MonotonicClock.milliseconds()
        let (results, statistics) = try fetchSynthetic(client(server), count: 40, size: 100_000, options: options)
        let seconds = Double(MonotonicClock.milliseconds() - start) / 1000
        #expect(results.allSatisfy { $0?.isSuccess == true })
        // What is allowed before the first pause (a tenth of a second's worth) comes on top.
        #expect(Double(statistics.bytes) / seconds < 1.4 * Double(2 << 20))
        #expect(seconds < Patience.seconds(8))
    }

    @Test func wrongAnswersAreNotTakenForObjects() throws {
        let server = try FaultServer()
        let cases: [(target: String, range: Range<Int64>?, answer: FaultServer.Canned)] = [
            ("/bucket/whole-for-range", 5..<10, .init(status: 200, body: "0123456789")),
            (
                "/bucket/other-range", 5..<10,
                .init(status: 206, headers: [("Content-Range", "bytes 0-4/10")], body: "01234")
            ),
            ("/bucket/partial", nil, .init(status: 206, headers: [("Content-Range", "bytes 0-4/10")], body: "01234")),
            ("/bucket/no-content", nil, .init(status: 204)),
            ("/bucket/garbage", nil, .init(raw: "I am no HTTP server\r\n\r\n")),
            ("/bucket/short", nil, .init(raw: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")),
            ("/bucket/chunks", nil, .init(raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n01234")),
            ("/bucket/empty", nil, .init(raw: "")),
            (
                "/bucket/headers", nil,
                .init(raw: "HTTP/1.1 200 OK\r\n" + String(repeating: "x-amz-meta-a: b\r\n", count: 100_000) + "\r\n")
            ),
            ("/bucket/status", nil, .init(raw: "HTTP/1.1 2 OK\r\n\r\n")),
        ]
        var options = Self.quick
        options.attempts = 2
        let loop = try TransferLoop(client(server), options: options)
        for (target, range, answer) in cases {
            try server.can(target, answer)
            var result: Result<Void, any Error>?
            try loop.run(count: 1) { _ in
                CheckedTransfer(S3Request(bucket: "bucket", key: bytes(String(target.dropFirst(8))), range: range)) {
                    result = $1
                }
            }
            let failed = try failure { try result?.get() }
            #expect(failed.kind == .unexpected || failed.kind == .cut, "\(target): \(failed)")
        }
    }

    @Test func permanentFailuresAreAskedOnce() throws {
        let server = try FaultServer()
        func error(_ code: String) -> String { "<Error><Code>\(code)</Code><Message>m</Message></Error>" }
        let permanent: [(Int, String)] = [
            (400, "InvalidArgument"), (403, "AccessDenied"), (403, "InvalidObjectState"), (404, "NoSuchKey"),
            (404, "NoSuchVersion"), (404, "NoSuchBucket"), (405, "MethodNotAllowed"), (412, "PreconditionFailed"),
            (416, "InvalidRange"), (501, "NotImplemented"),
        ]
        let loop = try TransferLoop(client(server), options: Self.quick)
        for (status, code) in permanent {
            let key = "p-\(status)-\(code)"
            try server.can("/bucket/\(key)", .init(status: status, body: error(code)))
            var result: Result<Void, any Error>?
            try loop.run(count: 1) { _ in
                CheckedTransfer(S3Request(bucket: "bucket", key: bytes(key))) { result = $1 }
            }
            let failed = try failure { try result?.get() }
            #expect(failed.status == status)
            #expect(failed.code == code)
            #expect(failed.attempts == 1)
            #expect(failed.isArchived == (code == "InvalidObjectState"))
        }
        let passing: [(Int, String)] = [
            (400, "RequestTimeout"), (408, ""), (429, "TooManyRequests"), (500, "InternalError"), (503, "SlowDown"),
            (502, ""), (504, ""),
        ]
        for (status, code) in passing {
            let key = "t-\(status)-\(code)"
            try server.can(
                "/bucket/\(key)", .init(status: status, body: error(code)), .init(status: status, body: "not XML"),
                .init(status: 200, body: "here"))
            if status == 400 {
                try server.can("/bucket/\(key)", .init(status: status, body: error(code)), .init(body: "here"))
            }
            var result: Result<Void, any Error>?
            try loop.run(count: 1) { _ in
                CheckedTransfer(S3Request(bucket: "bucket", key: bytes(key))) { result = $1 }
            }
            #expect(result?.isSuccess == true, "\(status) \(code)")
        }
    }

    @Test func valuesThatWouldBreakTheRequestAreRefused() throws {
        let server = try FaultServer()
        let client = try client(server)
        for etag in ["a\r\nX-Evil: 1", "a\nb", ""] {
            let failed = try failure { _ = try client.get(bucket: "bucket", key: bytes("k"), ifMatch: etag, limit: 9) }
            #expect(failed.kind == .invalidRequest)
        }
        let range = try failure { _ = try client.get(bucket: "bucket", key: bytes("k"), range: 5..<5, limit: 9) }
        #expect(range.kind == .invalidRequest)
        #expect(try server.statistics().requests == 0)
    }

    @Test func certificatesAreVerified() throws {
        let server = try FaultServer(tls: true)
        try server.can("/bucket/k", .init(body: "here"))
        let error = try icecoreError {
            _ = try client(server).get(bucket: "bucket", key: bytes("k"), limit: 10)
        }
        #expect(error.code == .unavailable)
        #expect(error.message.hasPrefix("the certificate of \(server.endpoint) cannot be trusted"))
        #expect(try server.statistics().requests == 0)
        let trusting = try S3Client(server, ["AWS_CA_BUNDLE": server.certificate], unsigned: true)
        #expect(try trusting.get(bucket: "bucket", key: bytes("k"), limit: 10).bytes == bytes("here"))
    }

    @Test func anInterruptionEndsARunThatWaitsForAnswers() async throws {
        await #expect(processExitsWith: .success) {
            let server = try FaultServer()
            var faults = FaultServer.Faults()
            faults.stall = 1
            try server.set(faults)
            let start = MonotonicClock.milliseconds()
            Thread.detachNewThread {
                _ = try? Clock.wait(seconds: 60) { try server.statistics().requests > 0 }
                Interruption.request()
            }
            let error = try icecoreError {
                _ = try fetchSynthetic(try S3Client(server, unsigned: true), count: 1000, size: 10)
            }
            guard error.code == .interrupted, MonotonicClock.milliseconds() - start < Patience.milliseconds(1300) else {
                exit(1)
            }
        }
    }

    @Test func aServerThatGoesAwayInTheMiddleIsOneSentence() throws {
        var server: FaultServer? = try FaultServer()
        let endpoint = try #require(server?.endpoint)
        let client = try S3Client(try #require(server), unsigned: true)
        var options = Self.quick
        options.maxInFlight = 8
        let loop = try TransferLoop(client, options: options)
        var good = 0
        var other = 0
        let start = MonotonicClock.milliseconds()
        let error = try icecoreError {
            try loop.run(count: 100_000) { index in
                CheckedTransfer(S3Request(bucket: "synthetic", key: bytes("10/\(index)"))) { _, result in
                    if result.isSuccess { good += 1 } else { other += 1 }
                    if good == 100 { server = nil }
                }
            }
        }
        #expect(error.code == .unavailable)
        #expect(error.message.hasPrefix("cannot reach \(endpoint): "))
        #expect(good >= 100 && other <= 16)
        #expect(MonotonicClock.milliseconds() - start < Patience.milliseconds(25_000))
    }

    @Test func manyThreadsMayShareAClient() async throws {
        let server = try FaultServer()
        let client = try client(server)
        await withTaskGroup(of: Bool.self) { group in
            for thread in 0..<16 {
                group.addTask {
                    (0..<50).allSatisfy { index in
                        let name = "t\(thread)-\(index)"
                        let object = try? client.get(bucket: "synthetic", key: bytes("100/\(name)"), limit: 100)
                        return object?.bytes == synthetic(100, name)
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
        // Connections are used again.
        #expect(try server.statistics().connections <= 16)
    }
}
