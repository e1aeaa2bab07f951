import Glibc

/// Signals that one thread waits for, while all others leave them alone.
struct AwaitedSignals {
    private let numbers: [Int32]
    private var set = sigset_t()

    /// To be made before any other thread starts.
    init(_ numbers: [Int32]) {
        self.numbers = numbers
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the first of them. The next one ends the process at once.
    func wait() {
        var set = set
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        for one in numbers { signal(one, SIG_DFL) }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}
