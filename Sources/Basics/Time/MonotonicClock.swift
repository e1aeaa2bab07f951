import Glibc

/// A clock that never goes backwards, for timeouts and measurements.
public enum MonotonicClock {
    /// Milliseconds since some moment before the process started.
    public static func milliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    /// The same, but also counting while the machine is suspended.
    public static func millisecondsWithSleep() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
