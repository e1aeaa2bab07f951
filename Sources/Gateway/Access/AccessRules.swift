import Basics
import Web

/// Who may read, and under which names the server is asked. For everything that a server has, whatever answers it.
public struct AccessRules: Sendable {
    public enum Readers: Sendable {
        case everybody
        /// Those who have one of these keys, by their ids.
        case holders([String: AccessKey])
    }

    public var readers: Readers
    public var hosts: HostRule

    public init(readers: Readers, hosts: HostRule) {
        self.readers = readers
        self.hosts = hosts
    }

    /// For one thread.
    public func makeCheck() -> AccessCheck { AccessCheck(self) }
}

/// A key that may read. Never shown.
public struct AccessKey: Sendable {
    let secret: [UInt8]
    let sessionToken: [UInt8]?

    public init(secret: [UInt8], sessionToken: [UInt8]?) {
        self.secret = secret
        self.sessionToken = sessionToken
    }
}

/// Decides whether a request is answered. One thread at a time.
public final class AccessCheck {
    private let rules: AccessRules
    private var signatures = SignatureCheck()

    init(_ rules: AccessRules) {
        self.rules = rules
    }

    /// The refusal of a request; nil if it may be answered.
    public func refusal(of request: WebRequest, now: Timestamp = .now()) -> WebResponse? {
        let frame = AnswerFrame()
        guard rules.hosts.allows(request) else {
            return frame.response(
                request.header("host") == nil
                    ? S3Refusal(400, "InvalidRequest", "A request needs exactly one Host header.")
                    : S3Refusal(
                        403, "AccessDenied",
                        "This server answers only to names of its own machine: 'localhost', '127.0.0.1'; --domain adds one."
                    ))
        }
        guard case .holders(let keys) = rules.readers else { return nil }
        do throws(S3Refusal) {
            try signatures.check(request, keys, now: now)
            return nil
        } catch {
            return frame.response(error)
        }
    }
}
