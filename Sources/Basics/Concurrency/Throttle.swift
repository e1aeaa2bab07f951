import Glibc
import Synchronization

/// Limits the bytes per second of all threads together.
public final class Throttle: Sendable {
    private let rate: Int64
    /// When all bytes so far would have passed at this rate, in nanoseconds of the monotonic clock.
    private let paidUntil = Mutex<Int64>(0)

    public init(bytesPerSecond: Int64) {
        rate = max(1, bytesPerSecond)
    }

    /// Waits until the bytes would have passed at this rate.
    public func pass(_ bytes: Int) throws {
        let now = Throttle.now()
        let cost = Int64(Double(bytes) / Double(rate) * 1e9)
        let until = paidUntil.withLock { paid in
            // Unused time is not saved up.
            paid = max(paid, now) + cost
            return paid
        }
        while Throttle.now() < until {
            try Interruption.check()
            usleep(UInt32(min(100_000, max(1, (until - Throttle.now()) / 1000))))
        }
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
