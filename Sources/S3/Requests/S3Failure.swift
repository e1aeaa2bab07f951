import Basics

/// Why a request failed, after all retries.
public struct S3Failure: Error, Sendable {
    public enum Kind: Hashable, Sendable {
        /// The server answered with an error status.
        case response
        /// The content is not what was expected.
        case corrupt
        /// The connection ended before the answer was complete.
        case cut
        /// No answer, or no progress, within the time limit.
        case timedOut
        /// No connection could be made.
        case unreachable
        /// The answer does not fit the request.
        case unexpected
        /// The request cannot be sent because one of its values would break it.
        case invalidRequest
        /// The loop's run ended before the transfer did.
        case cancelled
    }

    public let kind: Kind
    /// The HTTP status; 0 without an answer.
    public let status: Int
    /// S3's error code, such as `NoSuchKey`; empty if it sent none.
    public let code: String
    /// S3's message, or ours. Safe to print.
    public let message: String
    public let requestId: String
    /// The object requested, `s3://bucket/key`. Safe to print.
    public var object = ""
    /// How many attempts were made.
    public var attempts = 1
    /// What it takes to be allowed the request, as the end of a sentence; empty if that is not the matter.
    var neededPermission = ""
    /// Asking again gives the same.
    private var isLasting = false
    /// The content has another length than expected.
    private(set) var isWrongLength = false

    /// What may help, for a message about this failure alone.
    public var advice = ""

    /// The region and the host that the server pointed to.
    var region: String?
    var redirectHost: String?

    public init(_ kind: Kind, status: Int = 0, code: String = "", message: String, requestId: String = "") {
        self.kind = kind
        self.status = status
        self.code = code
        self.message = message
        self.requestId = requestId
    }

    /// What a transfer throws for unexpected content: the request is retried.
    public static func corrupt(_ message: String) -> S3Failure {
        S3Failure(.corrupt, message: message)
    }

    /// What a transfer throws for content of an unexpected length: the request is retried, and asks for the content in the
    /// encoding in which it is stored, in case something on the way has decoded it.
    public static func wrongLength(_ message: String) -> S3Failure {
        var failure = corrupt(message)
        failure.isWrongLength = true
        return failure
    }

    /// What a transfer throws for unexpected content that asking again will not change.
    public static func lasting(_ message: String) -> S3Failure {
        var failure = corrupt(message)
        failure.isLasting = true
        return failure
    }

    /// The key, the version or the bucket does not exist.
    public var isNotFound: Bool { status == 404 }
    /// GET of a delete marker by its version id. The header says so: a 405 alone may come from anything on the way, and
    /// some servers give it for objects.
    public private(set) var isDeleteMarker = false
    /// The object is archived and has to be restored first.
    public var isArchived: Bool { code == "InvalidObjectState" }
    /// The object is encrypted with a key of its owner (SSE-C), which a GET has to bring along.
    public var isEncryptedByCustomer: Bool {
        // S3 has no code of its own for it.
        code == "SSEEncryptedObject"
            || (status == 400 && code == "InvalidRequest" && message.contains("Server Side Encryption"))
    }

    /// Whether the same request may succeed later.
    var isTransient: Bool {
        switch kind {
        case .corrupt: !isLasting
        case .cut, .timedOut, .unreachable: true
        case .unexpected: true
        case .invalidRequest, .cancelled: false
        case .response:
            switch status {
            case 408, 425, 429, 500, 502, 503, 504, 509: true
            case 400: S3Failure.transientCodes.contains(code)
            case 501, 505: false
            default: status > 504 || status < 300
            }
        }
    }

    /// AWS sends these with status 400.
    private static let transientCodes: Set<String> = [
        "RequestTimeout", "IncompleteBody", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    ]

    /// The server asks for fewer requests.
    var isOverload: Bool {
        status == 503 || status == 429 || code == "SlowDown" || kind == .timedOut
    }

    /// The credentials have expired; newer ones may help.
    var isExpiredCredentials: Bool {
        switch code {
        case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired": true
        default: false
        }
    }

    /// Whether an error code says that the server does not accept these credentials, whatever is asked for.
    public static func isAboutKeys(_ code: String) -> Bool {
        ["SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "InvalidSecurity", "ExpiredToken"].contains(
            code)
    }

    /// The failure as a command reports it.
    public var asError: IcecoreError {
        let kindOfError: IcecoreError.Code =
            switch kind {
            case .response where isNotFound: .notFound
            case .response where status == 401 || status == 403: .forbidden
            case .corrupt: .invalidData
            case .invalidRequest: .usage
            case .cancelled: .interrupted
            default: .unavailable
            }
        return IcecoreError(kindOfError, advice.isEmpty ? description : "\(description); \(advice)")
    }
}

extension S3Failure: CustomStringConvertible {
    public var description: String {
        var text = object.isEmpty ? "" : "\(object): "
        switch kind {
        case .response:
            text += message.isEmpty ? "the server answered \(status)" : message
            if message.isEmpty, (300..<400).contains(status), let url = redirectHost,
                let other = Endpoint(S3Failure.origin(url))
            {
                text += " and points to \(other.authority): is there a proxy, or a page to log in, on the way?"
            }
            var facts = code.isEmpty ? [] : [code]
            if status != 0, !message.isEmpty { facts.append("status \(status)") }
            if !facts.isEmpty { text += " (\(facts.joined(separator: ", ")))" }
            // Where the server names the action itself, it is another one (kms:Decrypt, say).
            if status == 403, code == "AccessDenied" || code.isEmpty, !neededPermission.isEmpty,
                !message.contains("not authorized to perform")
            {
                text += "; \(neededPermission)"
            }
            if code == "RequestTimeTooSkewed" { text += "; this machine's clock says \(Timestamp.now())" }
        default:
            text += message
        }
        if attempts > 1 { text += ", \(attempts) attempts" }
        return text
    }
}

extension S3Failure {
    /// A URL up to its host.
    private static func origin(_ url: String) -> String {
        guard let colon = url.firstRange(of: "://") else { return "" }
        return String(
            url[..<colon.upperBound] + url[colon.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" })
    }

    /// The failure that an answer's head and its XML body (if it is XML) describe.
    init(head: S3ResponseHead, body: [UInt8], secrets: [String]) {
        var fields: [String: String] = [:]
        // Without an XML body (a proxy's page has none), the status has to do.
        if let document = try? XMLFields.read(body, root: "Error") { fields = document }
        func clean(_ text: String?, _ limit: Int) -> String {
            guard var text, !text.isEmpty else { return "" }
            for secret in secrets where secret.utf8.count >= 4 { text = text.replacing(secret, with: "…") }
            return Display.text(text, limit: limit)
        }
        self.init(
            .response, status: head.status, code: clean(fields["Code"], 100), message: clean(fields["Message"], 300),
            requestId: clean(fields["RequestId"] ?? head.value(.requestId), 100))
        let regions = [head.bucketRegion, fields["Region"]].compactMap { $0 }
        region = regions.first(where: S3Configuration.isRegion)
        redirectHost = head.value(.location)
        isDeleteMarker = head.status == 405 && head.value(.deleteMarker)?.lowercased() == "true"
    }
}
