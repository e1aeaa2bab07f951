import Basics
import Synchronization

/// Caches credentials, and renews them before they expire.
///
/// May be used from any thread; while one fetches credentials, others wait.
public final class CredentialsProvider: Sendable {
    private struct Cache {
        var credentials: Credentials?
        var isResolved = false
        var generation = 0
        /// When to look for new ones.
        var renewal = Timestamp.distantFuture
    }

    private let cache = Mutex(Cache())
    private let source: @Sendable () throws -> Credentials?
    private let clock: @Sendable () -> Timestamp
    /// Where the last search has looked.
    let trace: CredentialTrace

    /// - Parameters:
    ///   - source: finds credentials; called again when these are about to expire.
    ///   - clock: tells the time.
    public convenience init(
        source: @escaping @Sendable () throws -> Credentials?,
        clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.init(source: source, clock: clock, trace: CredentialTrace())
    }

    private init(
        source: @escaping @Sendable () throws -> Credentials?, clock: @escaping @Sendable () -> Timestamp,
        trace: CredentialTrace
    ) {
        self.source = source
        self.clock = clock
        self.trace = trace
    }

    /// Credentials from the places that a configuration names; see ``CredentialChain``.
    public convenience init(
        _ configuration: S3Configuration, clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        let trace = CredentialTrace()
        self.init(
            source: { configuration.unsigned ? nil : try CredentialChain(configuration, trace).find() }, clock: clock,
            trace: trace)
    }

    /// The credentials to sign with now, and a number that changes when they do.
    func current() throws -> (credentials: Credentials?, generation: Int) {
        try cache.withLock { cache in
            let now = clock()
            if !cache.isResolved || now >= cache.renewal {
                do {
                    try renew(&cache, now)
                } catch {
                    // Until they expire, the old ones will do; the next attempt follows soon.
                    guard let expiration = cache.credentials?.expiration, expiration > now else { throw error }
                    cache.renewal = Timestamp(milliseconds: min(now.milliseconds + 5000, expiration.milliseconds))
                }
            }
            return (cache.credentials, cache.generation)
        }
    }

    /// Renews the credentials of `generation`, which the server says have expired. True if there are others now.
    func renew(after generation: Int) throws -> Bool {
        try cache.withLock { cache in
            if cache.generation != generation { return true }
            try renew(&cache, clock())
            return cache.generation != generation
        }
    }

    private func renew(_ cache: inout Cache, _ now: Timestamp) throws {
        let found = try source()
        if let found, !found.isPlausible {
            throw IcecoreError(.forbidden, "the credentials contain invalid characters")
        }
        // Not `now`, as finding them may have taken a while.
        let after = clock()
        if let expiration = found?.expiration, expiration <= after {
            throw IcecoreError(.forbidden, "the credentials expired at \(expiration); renew them")
        }
        let isSame =
            switch (cache.credentials, found) {
            case (let old?, let new?): old.isSame(as: new)
            case (nil, nil): cache.isResolved
            default: false
            }
        if !isSame { cache.generation += 1 }
        cache.credentials = found
        cache.isResolved = true
        cache.renewal = .distantFuture
        if let expiration = found?.expiration {
            let lifetime = expiration.milliseconds - after.milliseconds
            cache.renewal = Timestamp(milliseconds: expiration.milliseconds - min(300_000, lifetime / 4))
        }
    }
}
