import Foundation

/// How soon what is promised must have come. A machine that runs all tests at once, and perhaps others beside them, is late
/// for reasons that are not the program's: there a promise counts as broken when it is far from kept, and what happened
/// must be right in any case. `ICECORE_STRICT_TIMES=1`, for a machine that has nothing else to do, takes each at its word.
public enum Patience {
    private static let isStrict = ProcessInfo.processInfo.environment["ICECORE_STRICT_TIMES"] == "1"

    /// The limit for what is promised within so many milliseconds.
    public static func milliseconds(_ promised: Int64) -> Int64 { isStrict ? promised : max(15_000, 5 * promised) }

    /// The limit for what is promised within so many seconds.
    public static func seconds(_ promised: Double) -> Double { Double(milliseconds(Int64(promised * 1000))) / 1000 }
}
