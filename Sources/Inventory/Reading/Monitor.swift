import Basics

/// A lock with two conditions: one that the threads at work wait for, one that the reader of their results waits for.
final class Monitor: Sendable {
    private let mutex: Lock
    private let work: Condition
    private let results: Condition

    init() {
        mutex = Lock()
        work = Condition(mutex)
        results = Condition(mutex)
    }

    func lock() { mutex.lock() }
    func unlock() { mutex.unlock() }
    func waitForWork() { work.wait() }
    func waitForResults() { results.wait() }
    func announceWork() { work.broadcast() }
    func announceResults() { results.broadcast() }
}
