import Foundation

/// Passes requests on to another server, writes them down, and fails some of them: see `servers/proxy.py`.
public final class ProxyServer: S3Server, @unchecked Sendable {
    /// It lives as long as this.
    private let upstream: S3Server

    /// Each test has its own.
    public init(to server: S3Server) throws {
        upstream = server
        try super.init(
            script: "proxy.py", arguments: ["\(server.port)"], accessKey: server.accessKey, secretKey: server.secretKey)
    }

    /// The requests since the last reset, as `METHOD target`.
    public func log() throws -> [String] {
        let answer = try conversation.ask(["log": true])
        return (answer["log"] as? [[String]] ?? []).map { $0.joined(separator: " ") }
    }

    /// Has so many requests answered with 500.
    public func fail(_ method: String, _ part: String, count: Int) throws {
        _ = try conversation.ask(["fail": [method, part, count]])
    }

    /// The bytes of the bodies of requests since the last reset.
    public func sent() throws -> Int {
        try conversation.ask(["sent": true])["sent"] as? Int ?? -1
    }

    /// Has a part of all requests fail: some before they are passed on, some after.
    public func failSometimes(_ chance: Double) throws {
        _ = try conversation.ask(["chance": chance])
    }

    /// Has so many requests passed on, and answered with 500 all the same.
    public func lose(_ method: String, _ part: String, count: Int) throws {
        _ = try conversation.ask(["lose": [method, part, count]])
    }

    /// Kills a process after so many requests, at the arrival of the next.
    public func kill(_ process: Int32, after requests: Int) throws {
        _ = try conversation.ask(["kill": requests, "pid": Int(process)])
    }

    public func reset() throws {
        _ = try conversation.ask(["reset": true])
    }
}

/// nginx before another server: it unpacks, and packs, what passes. See `servers/unpack.py`.
public final class UnpackingProxy: S3Server, @unchecked Sendable {
    /// It lives as long as this.
    private let upstream: S3Server

    public init(to server: S3Server) throws {
        try Testbed.need("/usr/sbin/nginx")
        upstream = server
        try super.init(
            script: "unpack.py", arguments: ["\(server.port)"], accessKey: server.accessKey,
            secretKey: server.secretKey)
    }
}
