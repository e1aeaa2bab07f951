import Foundation

/// Waiting for events that nothing announces.
public enum Clock {
    /// Returns true as soon as the condition holds, or false if it does not in so many seconds.
    public static func wait(seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
        let deadline = Date().addingTimeInterval(seconds)
        var pause: UInt32 = 500
        while true {
            if try condition() { return true }
            if Date() > deadline { return false }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }
}
