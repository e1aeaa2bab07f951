import Basics
import Foundation
import Synchronization
import Web

/// Lets browsers in, which cannot sign: for the page they give the id and the secret of a key (RFC 7617), which they ask
/// for themselves. Shared by all threads.
///
/// A secret crosses the network with each request: only on loopback, or where a proxy says that it had come by TLS.
final class BrowserAccess: Sendable {
    /// So many wrong keys an address may try in a minute.
    fileprivate static let mostFailures = 10
    fileprivate static let minute: UInt64 = 60_000
    fileprivate static let mostAddresses = 1024
    private static let mostKnown = 256

    fileprivate struct Failures {
        var count = 0
        /// In milliseconds of the ``MonotonicClock``.
        var until: UInt64 = 0
    }

    fileprivate struct Memory {
        var failures: [String: Failures] = [:]
        /// Digests of what was right before: whoever is in stays in while somebody else guesses at the same address.
        var known: Set<[UInt8]> = []
    }

    private let keys: [String: AccessKey]
    /// Made anew by each process: what is compared are digests under it, which tell nobody how much of a guess is right.
    private let salt: [UInt8]
    private let memory = Mutex(Memory())

    init(_ keys: [String: AccessKey]) {
        self.keys = keys
        salt = (0..<32).map { _ in UInt8.random(in: 0 ... .max) }
    }

    /// Whether a request is one for the page that no key signs.
    static func isMeant(by request: WebRequest) -> Bool {
        guard request.path.starts(with: "/-/".utf8) || request.path.elementsEqual("/-".utf8) else { return false }
        let fields = request.headers.filter { $0.name.lowercased() == "authorization" }
        if fields.count == 1, let field = fields.first { return isBasic(field.value) }
        return fields.isEmpty && !String(decoding: request.query ?? [], as: UTF8.self).contains("X-Amz-")
    }

    static func isBasic(_ value: String) -> Bool { value.prefix(6).lowercased() == "basic " }

    /// The refusal of a request; nil if it may be answered.
    func refusal(of request: WebRequest, now: UInt64 = MonotonicClock.milliseconds()) -> WebResponse? {
        // Everybody may have these: they are part of the program.
        if request.path.starts(with: "/-/assets/".utf8) { return nil }
        guard BrowserAccess.isPrivate(request) else {
            return BrowserAccess.answer(
                403,
                "This page asks for a key, and a key must not cross a network in the clear: put a proxy with TLS before this "
                    + "server, which sets X-Forwarded-Proto, or sign the request.")
        }
        guard let value = request.header("authorization") else { return BrowserAccess.challenge }
        let digest = SHA256.authenticationCode(Array(value.utf8), key: salt)
        if memory.withLock({ $0.known.contains(digest) }) { return nil }
        let isLocked = memory.withLock { memory in
            memory.failures[request.peer].map { $0.until > now && $0.count >= BrowserAccess.mostFailures } ?? false
        }
        if isLocked {
            return BrowserAccess.answer(
                429, "Too many wrong keys came from this address: try again in a minute.", [("Retry-After", "60")])
        }
        if isRight(value) {
            memory.withLock { memory in
                if memory.known.count >= BrowserAccess.mostKnown { memory.known.removeAll() }
                memory.known.insert(digest)
            }
            return nil
        }
        memory.withLock { $0.note(request.peer, now) }
        return BrowserAccess.challenge
    }

    /// Whether nobody on the way can read it.
    private static func isPrivate(_ request: WebRequest) -> Bool {
        HostRule.isLoopback(request.peer) || request.header("x-forwarded-proto")?.lowercased() == "https"
    }

    private func isRight(_ value: String) -> Bool {
        guard let data = Data(base64Encoded: value.dropFirst(6).trimmingSpaces) else { return false }
        let bytes = Array(data)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return false }
        let key = keys[String(decoding: bytes[..<colon], as: UTF8.self)]
        let given = SHA256.authenticationCode(Array(bytes[(colon + 1)...]), key: salt)
        let wanted = SHA256.authenticationCode(key?.secret ?? salt, key: salt)
        // Nobody can type in a session token.
        return SignatureCheck.isEqual(given, wanted) && key != nil && key?.sessionToken == nil
    }

    // MARK: - What is answered

    private static var challenge: WebResponse {
        answer(
            401, "This page wants a key that may read: its id as the user name, its secret as the password.",
            [("WWW-Authenticate", "Basic realm=\"icecore\", charset=\"UTF-8\"")])
    }

    private static func answer(
        _ status: Int, _ sentence: String, _ more: [(name: String, value: String)] = []
    ) -> WebResponse {
        let headers = [
            ("Content-Type", "text/plain; charset=utf-8"), ("Content-Security-Policy", "sandbox; default-src 'none'"),
            ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"),
        ]
        return WebResponse(status: status, headers: headers + more, body: .bytes(Array("\(sentence)\n".utf8)))
    }
}

extension BrowserAccess.Memory {
    fileprivate mutating func note(_ address: String, _ now: UInt64) {
        if failures[address] == nil, failures.count >= BrowserAccess.mostAddresses {
            failures = failures.filter { $0.value.until > now }
            if failures.count >= BrowserAccess.mostAddresses { failures.removeAll() }
        }
        var failed = failures[address] ?? BrowserAccess.Failures()
        if failed.until <= now { failed = BrowserAccess.Failures(count: 0, until: now + BrowserAccess.minute) }
        failed.count += 1
        failures[address] = failed
    }
}
