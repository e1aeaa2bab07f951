import Basics
import Foundation

/// A real S3 server that runs for as long as this process.
public class S3Server: @unchecked Sendable {
    // Everything here is set once, before anybody else sees it.

    /// `http://127.0.0.1:PORT`
    public let endpoint: String
    public let port: Int
    /// The server's own directory; it goes away with it.
    public let directory: String
    public let accessKey: String
    public let secretKey: String
    let conversation: Conversation

    init(
        script: String, arguments: [String] = [], scheme: String = "http", accessKey: String = "",
        secretKey: String = ""
    ) throws {
        var ready: [String: Any] = [:]
        conversation = try Conversation(script: script, arguments: arguments, ready: &ready)
        guard let port = ready["port"] as? Int, let directory = ready["directory"] as? String else {
            throw TestbedError("\(script) did not say where it is")
        }
        self.port = port
        self.directory = directory
        self.accessKey = accessKey
        self.secretKey = secretKey
        endpoint = "\(scheme)://127.0.0.1:\(port)"
    }

    /// The environment in which a program finds this server and may use it; nothing else of AWS in it.
    public var environment: [String: String] {
        var environment = ["AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"]
        if !accessKey.isEmpty {
            environment["AWS_ACCESS_KEY_ID"] = accessKey
            environment["AWS_SECRET_ACCESS_KEY"] = secretKey
        }
        return environment
    }
}

/// Ceph's S3 gateway: verifies signatures, knows versions, takes every odd key.
public final class RGWServer: S3Server, @unchecked Sendable {
    private static let started = Result { try RGWServer() }
    private static let startedWithSTS = Result { try RGWServer(sts: true) }

    /// The server that all tests of this process share. Each test makes buckets of its own.
    public static func shared() throws -> RGWServer { try started.get() }
    /// Another one, that gives out temporary credentials too.
    public static func sharedWithSTS() throws -> RGWServer { try startedWithSTS.get() }

    /// A server of one's own, for tests that stop or break it.
    public init(sts: Bool = false) throws {
        let programs = ["radosgw", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph"]
        for program in programs { try Testbed.need("/usr/bin/\(program)") }
        try super.init(
            script: "rgw.py", arguments: sts ? ["--sts"] : [], accessKey: "testaccess",
            secretKey: "testsecret/with+chars")
    }
}

extension RGWServer {
    /// Somebody who may do nothing at first.
    public struct User: Sendable {
        public let name: String
        public let accessKey: String
        public let secretKey: String

        /// What a program needs to be this user.
        public var environment: [String: String] {
            ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
        }
    }

    /// Makes a user.
    public func makeUser() throws -> User {
        let user = User(
            name: "user-\(UInt32.random(in: 0 ... .max))", accessKey: "key\(UInt64.random(in: 0 ... .max))",
            secretKey: "secret+\(UInt64.random(in: 0 ... .max))/of/a/user")
        try Testbed.need("/usr/bin/radosgw-admin")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/radosgw-admin")
        process.arguments = [
            "-c", "\(directory)/ceph.conf", "user", "create", "--uid=\(user.name)", "--display-name=\(user.name)",
            "--access-key=\(user.accessKey)", "--secret-key=\(user.secretKey)",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw TestbedError("radosgw-admin cannot make a user") }
        return user
    }
}

/// moto: knows HEAD with `partNumber`, and conditional PUT; checks no signatures.
public final class MotoServer: S3Server, @unchecked Sendable {
    private static let started = Result { try MotoServer() }

    public static func shared() throws -> MotoServer { try started.get() }

    public init() throws {
        try super.init(script: "moto.py", accessKey: "testaccess", secretKey: "testsecret")
    }
}

/// nginx: reads only, unsigned, as fast as this machine goes.
public final class NginxServer: S3Server, @unchecked Sendable {
    private static let started = Result { try NginxServer() }

    public static func shared() throws -> NginxServer { try started.get() }

    public init() throws {
        try Testbed.need("/usr/sbin/nginx")
        try super.init(script: "nginx.py")
    }

    /// Lays out an object.
    ///
    /// - Parameter versionId: nil: what a GET without versionId finds.
    public func add(bucket: String, key: String, versionId: String? = nil, content: [UInt8]) throws {
        try DataLayout.add(directory, bucket, key, versionId, content)
    }
}

/// The layout that the nginx and the fault server read.
enum DataLayout {
    static func add(_ root: String, _ bucket: String, _ key: String, _ versionId: String?, _ content: [UInt8]) throws {
        let base = "\(root)/data/\(bucket)"
        let path = versionId.map { "\(base)/.v/\($0)" } ?? "\(base)/.c/\(encoded(key))"
        let above = URL(fileURLWithPath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: above, withIntermediateDirectories: true)
        try Data(content).write(to: URL(fileURLWithPath: path))
    }

    /// The key as S3's clients write it into a URL.
    static func encoded(_ key: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/".utf8)
        var text = ""
        for byte in key.utf8 {
            if plain.contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += String(format: "%%%02X", byte)
            }
        }
        return text
    }
}

/// A server that fails as told: see `servers/fault.py`.
public final class FaultServer: S3Server, @unchecked Sendable {
    /// Probabilities of what goes wrong with an answer, each between 0 and 1.
    public struct Faults: Encodable, Sendable {
        public var status503 = 0.0
        public var status500 = 0.0
        /// The connection ends in the middle of the body.
        public var cut = 0.0
        /// One byte of the body is another.
        public var wrong = 0.0
        /// The connection is reset instead of an answer.
        public var reset = 0.0
        /// No answer ever comes.
        public var stall = 0.0
        /// Seconds between a request's arrival and its answer.
        public var latency = 0.0
        /// Targets (paths with queries) whose content is never right, or whose answer is always 500.
        public var alwaysWrong: [String] = []
        public var alwaysFail: [String] = []
        /// Bytes a second for each answer.
        public var rate: Int?

        public init() {}
    }

    /// An answer that is given whatever is there.
    public struct Canned: Encodable, Sendable {
        public var status = 200
        public var headers: [[String]] = []
        public var body = ""
        /// The whole answer, bytes as Latin-1, after which the connection ends.
        public var raw: String?

        public init(status: Int = 200, headers: [(String, String)] = [], body: String = "", raw: String? = nil) {
            self.status = status
            self.headers = headers.map { [$0.0, $0.1] }
            self.body = body
            self.raw = raw
        }
    }

    public struct Traffic: Decodable, Sendable {
        public var requests: Int
        public var connections: Int
        public var inFlight: Int
        /// Answers whose body is on its way.
        public var streaming: Int
        /// The most requests that were there at the same time.
        public var most: Int
        /// Bytes of bodies that were sent.
        public var bytes: Int64
        /// Bytes that have reached the clients' machine, heads of answers too; what waits in the server's does not count.
        public var arrived: Int64
        /// How often each path was asked for.
        public var targets: [String: Int]
    }

    public struct LogEntry: Decodable, Sendable {
        public var method: String
        public var target: String
        public var headers: [[String]]

        /// A request header's value.
        public func header(_ name: String) -> String? {
            headers.first { $0.first?.lowercased() == name.lowercased() }?.last
        }
    }

    /// Each test has its own: they are cheap.
    ///
    /// - Parameter tls: speak TLS, with a certificate that nobody trusts.
    public init(tls: Bool = false) throws {
        try super.init(script: "fault.py", arguments: tls ? ["--tls"] : [], scheme: tls ? "https" : "http")
    }

    /// The file with that certificate.
    public var certificate: String { directory + "/certificate.pem" }

    private func object(_ value: some Encodable) throws -> Any {
        try JSONSerialization.jsonObject(with: JSONEncoder().encode(value))
    }

    public func set(_ faults: Faults) throws {
        _ = try conversation.ask(["faults": object(faults)])
    }

    /// Answers for a target (path with query), one after the other; the last one stays.
    public func can(_ target: String, _ answers: Canned...) throws {
        _ = try conversation.ask(["canned": [target: object(answers)]])
    }

    /// Headers that tell the checksum of a target (path with query) to who asks for it.
    public func setChecksum(_ target: String, _ headers: [(String, String)]) throws {
        _ = try conversation.ask(["checksums": [target: headers.map { [$0.0, $0.1] }]])
    }

    public func statistics() throws -> Traffic {
        let answer = try conversation.ask(["statistics": true])
        return try JSONDecoder().decode(Traffic.self, from: JSONSerialization.data(withJSONObject: answer))
    }

    /// The bytes of bodies that were sent, as soon as no answer is on its way and none has come in the last second.
    public func bytesAtRest() throws -> Int64 {
        var last = try statistics()
        var since = MonotonicClock.milliseconds()
        let isAtRest = try Clock.wait(seconds: 60) {
            let now = try statistics()
            if (now.requests, now.bytes, now.inFlight, now.streaming) != (last.requests, last.bytes, 0, 0) {
                last = now
                since = MonotonicClock.milliseconds()
            }
            return MonotonicClock.milliseconds() - since > 1000
        }
        guard isAtRest else { throw TestbedError("requests do not come to an end: \(last)") }
        return last.bytes
    }

    /// The requests to canned targets.
    public func log() throws -> [LogEntry] {
        let answer = try conversation.ask(["log": true])
        return try JSONDecoder().decode(
            [LogEntry].self, from: JSONSerialization.data(withJSONObject: answer["log"] ?? []))
    }

    public func reset() throws {
        _ = try conversation.ask(["reset": true])
    }

    /// Lays out an object.
    public func add(bucket: String, key: String, versionId: String? = nil, content: [UInt8]) throws {
        try DataLayout.add(directory, bucket, key, versionId, content)
    }

    /// Takes away all objects of a bucket.
    public func takeAway(_ bucket: String) throws {
        try FileManager.default.removeItem(atPath: "\(directory)/data/\(bucket)")
    }
}
