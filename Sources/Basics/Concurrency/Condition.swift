import Glibc

/// A lock with a condition variable: threads wait under the lock until another one changes what it guards.
public final class Condition: @unchecked Sendable {
    private let guarding: Lock
    private let variable = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// - Parameter lock: shared by several conditions where different threads wait for different changes.
    public init(_ lock: Lock = Lock()) {
        guarding = lock
        variable.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(variable, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(variable)
        variable.deallocate()
    }

    public func lock() { guarding.lock() }

    public func unlock() { guarding.unlock() }

    @inline(__always)
    public func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try body()
    }

    /// Waits, without the lock, until it is woken, possibly for nothing: the caller holds the lock and looks again.
    public func wait() { pthread_cond_wait(variable, guarding.mutex) }

    /// ``wait()`` with an end; false once the time has passed.
    ///
    /// - Parameter deadline: in milliseconds of the ``MonotonicClock``.
    public func wait(until deadline: UInt64) -> Bool {
        var time = timespec(tv_sec: Int(deadline / 1000), tv_nsec: Int(deadline % 1000) * 1_000_000)
        return pthread_cond_timedwait(variable, guarding.mutex, &time) != ETIMEDOUT
    }

    /// Wakes one thread that waits.
    public func signal() { pthread_cond_signal(variable) }

    /// Wakes all threads that wait.
    public func broadcast() { pthread_cond_broadcast(variable) }
}
