import Glibc
import Synchronization

/// Ctrl-C and SIGTERM, asked for rather than suffered: long work looks at ``isRequested`` between steps and winds up.
///
/// The second signal ends the process at once.
public enum Interruption {
    private static let requests = Atomic<Int>(0)
    private static let shields = Atomic<Int>(0)

    /// Whether somebody asked to stop.
    public static var isRequested: Bool {
        requests.load(ordering: .relaxed) > 0 && shields.load(ordering: .relaxed) == 0
    }

    /// Runs what has to be done even though somebody asked to stop; it must take no more than a second or so.
    public static func shielded<Result>(_ body: () throws -> Result) rethrows -> Result {
        shields.add(1, ordering: .relaxed)
        defer { shields.subtract(1, ordering: .relaxed) }
        return try body()
    }

    /// Makes SIGINT and SIGTERM requests, and SIGPIPE an error of the write that caused it.
    public static func handleSignals() {
        let handler: @convention(c) (Int32) -> Void = { signal in
            // _exit and an atomic counter are all that is safe in a signal handler.
            if Interruption.requests.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + signal) }
        }
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
        signal(SIGPIPE, SIG_IGN)
    }

    /// As if the signal had come: for tests, and for parts that stop each other.
    public static func request() {
        requests.add(1, ordering: .relaxed)
    }

    /// Throws ``IcecoreError/Code/interrupted`` once somebody asked to stop.
    @inline(__always)
    public static func check() throws(IcecoreError) {
        if isRequested { throw IcecoreError(.interrupted, "interrupted") }
    }
}
