import Basics

/// How long a command lives before it is killed.
///
/// What a command took once says little on a machine with other work: it may take a tenth of that the next time. So what
/// ended before its kill is killed sooner from then on, and what did not, later.
struct KillDelay {
    /// Seconds: no command lives longer.
    private(set) var longest: Double

    /// - Parameter longest: What the command took, undisturbed, in seconds.
    init(longest: Double) { self.longest = max(longest, 0.001) }

    /// What the command took to its end.
    init(of command: () throws -> Void) rethrows {
        let start = MonotonicClock.milliseconds()
        try command()
        self.init(longest: Double(MonotonicClock.milliseconds() - start) / 1000)
    }

    /// Takes what came of a delay into account.
    mutating func note(isKilled: Bool) { longest *= isKilled ? 1.2 : 0.5 }
}
