import Basics
import Web

/// Who may read, and under which names the server is asked. For everything that a server has, whatever answers it.
public struct AccessRules: Sendable {
    public enum Readers: Sendable {
        case everybody
        /// Those who have one of these keys, by their ids.
        case holders([String: AccessKey])
    }

    public let readers: Readers
    public let hosts: HostRule
    let browsers: BrowserAccess?

    public init(readers: Readers, hosts: HostRule) {
        self.readers = readers
        self.hosts = hosts
        if case .holders(let keys) = readers { browsers = BrowserAccess(keys) } else { browsers = nil }
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

    /// Whether somebody has typed the address of the server into a browser, who is to be sent to the page, with a key or
    /// without: there is nothing to be read in that.
    public static func isTypedIn(_ request: WebRequest) -> Bool {
        guard request.path.elementsEqual("/".utf8), request.query == nil, request.method == "GET" else { return false }
        guard (request.header("accept") ?? "").contains("text/html") else { return false }
        return request.headers.allSatisfy {
            $0.name.lowercased() != "authorization" || BrowserAccess.isBasic($0.value)
        }
    }

    /// The refusal of a request; nil if it may be answered.
    public func refusal(of request: WebRequest, now: Timestamp = .now()) -> WebResponse? {
        guard rules.hosts.allows(request) else {
            return AnswerFrame().response(
                request.header("host") == nil
                    ? S3Refusal(400, "InvalidRequest", "A request needs exactly one Host header.")
                    : S3Refusal(
                        403, "AccessDenied",
                        "This server answers only to names of its own machine: 'localhost', '127.0.0.1'; --domain adds one."
                    ))
        }
        guard case .holders(let keys) = rules.readers else { return nil }
        if let browsers = rules.browsers, BrowserAccess.isMeant(by: request) { return browsers.refusal(of: request) }
        do throws(S3Refusal) {
            try signatures.check(request, keys, now: now)
            return nil
        } catch {
            return AnswerFrame().response(error)
        }
    }
}
