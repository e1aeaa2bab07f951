import Synchronization

/// A wait for a lock that another process holds: after a second it says so, once.
public struct LockWait {
    /// Where that is said: the terminal, or a daemon's log.
    private static let notice = Mutex<(@Sendable (String) -> Void)?>(nil)
    private static let silence: UInt64 = 1000

    private let began = MonotonicClock.milliseconds()
    private var isSaid = false

    /// Begins to wait.
    public init() {}

    /// Has `call` tell people, on whichever thread waits, what is waited for.
    public static func hear(_ call: @escaping @Sendable (String) -> Void) {
        notice.withLock { $0 = call }
    }

    /// To be called now and then while it waits.
    ///
    /// - Parameters:
    ///   - what: what the lock is needed for, after "waiting to".
    ///   - holder: who holds it; nil if that is unknown.
    public mutating func goOn(_ what: @autoclosure () -> String, _ holder: @autoclosure () -> LockHolder?) {
        guard !isSaid, MonotonicClock.milliseconds() - began >= LockWait.silence else { return }
        isSaid = true
        LockWait.say(what(), holder())
    }

    /// Says that a wait goes on, and why.
    public static func say(_ why: String) {
        notice.withLock { $0 }?("waiting: \(why)")
    }

    /// Says what is waited for, once.
    public static func say(_ what: String, _ holder: LockHolder?) {
        let who = holder.map { "\($0)" } ?? "another process, which cannot be seen from here,"
        notice.withLock { $0 }?("waiting to \(what): \(who) holds the lock")
    }
}
