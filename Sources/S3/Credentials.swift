import Basics
import Synchronization

/// What requests are signed with. Never printed: every description is redacted.
public struct Credentials: Sendable {
    let accessKeyId: String
    let secretAccessKey: String
    let sessionToken: String?
    /// When they end, where they do.
    public let expiration: Timestamp?

    public init(accessKeyId: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Timestamp? = nil)
    {
        self.accessKeyId = accessKeyId
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken.flatMap { $0.isEmpty ? nil : $0 }
        self.expiration = expiration
    }

    /// What no message may show.
    var secrets: [String] { [secretAccessKey, sessionToken ?? "", accessKeyId] }

    /// Neither part may end a header or a string of C.
    var isPlausible: Bool {
        [accessKeyId, secretAccessKey, sessionToken ?? "x"].allSatisfy { text in
            !text.isEmpty && text.utf8.count <= 65536 && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
        } && !accessKeyId.contains(":")
    }

    func isSame(as other: Credentials) -> Bool {
        accessKeyId == other.accessKeyId && secretAccessKey == other.secretAccessKey
            && sessionToken == other.sessionToken
    }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "Credentials(redacted)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Finds credentials in the places where AWS's own tools look, and renews them before they expire.
///
/// In this order: the environment's keys or web identity (unless a profile was named on the command line), the profile's
/// role, keys or `credential_process`, the container's endpoint, the machine's metadata service. None anywhere: nil, and requests
/// go unsigned. May be used from any thread; while credentials are being fetched, others wait.
public final class CredentialsProvider: Sendable {
    private struct State {
        var credentials: Credentials?
        var isResolved = false
        var generation = 0
        /// When to look for newer ones.
        var renewal = Timestamp.distantFuture
    }

    private let state = Mutex(State())
    private let source: @Sendable () throws -> Credentials?
    private let clock: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - source: finds the credentials; called again when the last ones are about to expire.
    ///   - clock: what time it is.
    public init(
        source: @escaping @Sendable () throws -> Credentials?,
        clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.source = source
        self.clock = clock
    }

    /// The chain that a configuration describes.
    public convenience init(
        _ configuration: S3Configuration, clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.init(source: { configuration.unsigned ? nil : try CredentialChain(configuration).find() }, clock: clock)
    }

    /// The credentials to sign with now, and a number that changes when they do.
    func current() throws -> (credentials: Credentials?, generation: Int) {
        try state.withLock { state in
            let now = clock()
            if !state.isResolved || now >= state.renewal {
                do {
                    try renew(&state, now)
                } catch {
                    // What has not expired yet still serves; the next attempt comes soon.
                    guard let expiration = state.credentials?.expiration, expiration > now else { throw error }
                    state.renewal = Timestamp(milliseconds: min(now.milliseconds + 5000, expiration.milliseconds))
                }
            }
            return (state.credentials, state.generation)
        }
    }

    /// The server says that the credentials of `generation` have expired. True if there are others now.
    func renew(after generation: Int) throws -> Bool {
        try state.withLock { state in
            if state.generation != generation { return true }
            try renew(&state, clock())
            return state.generation != generation
        }
    }

    private func renew(_ state: inout State, _ now: Timestamp) throws {
        let found = try source()
        if let found, !found.isPlausible {
            throw IcecoreError(.forbidden, "the credentials hold characters that cannot be part of them")
        }
        // Not `now`: finding them may have taken a while.
        let after = clock()
        if let expiration = found?.expiration, expiration <= after {
            throw IcecoreError(.forbidden, "the credentials expired at \(expiration); renew them")
        }
        let isSame =
            switch (state.credentials, found) {
            case (let old?, let new?): old.isSame(as: new)
            case (nil, nil): state.isResolved
            default: false
            }
        if !isSame { state.generation += 1 }
        state.credentials = found
        state.isResolved = true
        state.renewal = .distantFuture
        if let expiration = found?.expiration {
            let lifetime = expiration.milliseconds - after.milliseconds
            state.renewal = Timestamp(milliseconds: expiration.milliseconds - min(300_000, lifetime / 4))
        }
    }
}

/// The places to look, in order.
struct CredentialChain {
    let configuration: S3Configuration
    private var environment: [String: String] { configuration.environment }

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
    }

    func find() throws -> Credentials? {
        // A profile that somebody typed beats an environment that somebody forgot.
        if configuration.profile == nil, let credentials = try fromEnvironment() ?? fromWebIdentity() {
            return credentials
        }
        let name = configuration.profile ?? setting("AWS_PROFILE") ?? setting("AWS_DEFAULT_PROFILE")
        if let credentials = try ProfileCredentials(configuration).find(name) { return credentials }
        if let name, configuration.profile != nil {
            throw IcecoreError(.forbidden, "profile '\(Display.text(name, limit: 100))' holds no credentials")
        }
        if let credentials = try MetadataCredentials(environment).fromContainer() { return credentials }
        return try MetadataCredentials(environment).fromInstance()
    }

    private func fromWebIdentity() throws -> Credentials? {
        try ProfileCredentials(configuration).fromWebIdentity()
    }

    private func setting(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The keys in the environment; nil where there are none.
    func fromEnvironment() throws -> Credentials? {
        guard let accessKey = setting("AWS_ACCESS_KEY_ID") else { return nil }
        guard let secretKey = setting("AWS_SECRET_ACCESS_KEY") else {
            throw IcecoreError(.forbidden, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
        }
        return Credentials(
            accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: setting("AWS_SESSION_TOKEN"))
    }
}
