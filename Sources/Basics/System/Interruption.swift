import Glibc
import Synchronization

/// Ctrl-C and SIGTERM as requests: long work checks ``isRequested`` between steps and winds up.
///
/// The second signal ends the process at once.
public enum Interruption {
    private static let requests = Atomic<Int>(0)
    private static let shields = Atomic<Int>(0)

    /// Whether to stop.
    public static var isRequested: Bool {
        requests.load(ordering: .relaxed) > 0 && shields.load(ordering: .relaxed) == 0
    }

    /// Runs what must be done even after a request to stop; it must not take more than about a second.
    public static func shielded<Result>(_ body: () throws -> Result) rethrows -> Result {
        shields.add(1, ordering: .relaxed)
        defer { shields.subtract(1, ordering: .relaxed) }
        return try body()
    }

    /// Turns SIGINT and SIGTERM into requests, and SIGPIPE and SIGXFSZ into errors of the writes that caused them.
    public static func handleSignals() {
        let handler: @convention(c) (Int32) -> Void = { signal in
            // In a signal handler only an atomic counter and _exit are safe.
            if Interruption.requests.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + signal) }
        }
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Acts as the signal does: for tests, and for parts that stop each other.
    public static func request() {
        requests.add(1, ordering: .relaxed)
    }

    /// Throws ``IcecoreError/Code/interrupted`` after a request to stop.
    @inline(__always)
    public static func check() throws(IcecoreError) {
        if isRequested { throw IcecoreError(.interrupted, "interrupted") }
    }
}
