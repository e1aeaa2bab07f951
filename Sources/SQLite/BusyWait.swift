import Basics
import Glibc

/// What a connection does while another one has the lock that it needs: waits, up to ten seconds, and says so after one.
public enum BusyWait {
    private static let pause = 20
    private static let longest = 10_000

    /// Waits for a moment; false: long enough, or a signal asks to stop.
    ///
    /// - Parameters:
    ///   - tries: how often it has waited.
    ///   - path: of the file, to which others write.
    public static func goOn(_ tries: Int, _ path: String) -> Bool {
        guard tries < longest / pause, !Interruption.isRequested else { return false }
        if tries == 1000 / pause {
            LockWait.say("write to '\(path)'", LockHolder.ofRecord("\(path)-shm") ?? LockHolder.ofRecord(path))
        }
        // The first attempts are short: most locks are held for a moment.
        usleep(useconds_t(tries < 5 ? 1000 << tries : pause * 1000))
        return true
    }
}
