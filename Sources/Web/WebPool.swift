import Basics
import DequeModule

/// Threads that do what may block: each takes the oldest job.
final class WebPool<Context>: @unchecked Sendable {
    // Guarded by the condition's lock.
    private var jobs: Deque<(Context) -> Void> = []
    private var isClosed = false
    private let changed = Condition()
    private var threads: [SystemThread] = []

    /// A context that one thread has for itself.
    private struct OwnContext: @unchecked Sendable {
        let context: Context
    }

    init(_ name: String, _ contexts: [Context]) throws {
        for context in contexts {
            let own = OwnContext(context: context)
            threads.append(try SystemThread(name) { [self] in work(own.context) })
        }
    }

    func submit(_ job: @escaping @Sendable (Context) -> Void) {
        changed.lock()
        jobs.append(job)
        changed.signal()
        changed.unlock()
    }

    /// Ends the threads once all jobs are done.
    func stop() {
        changed.withLock {
            isClosed = true
            changed.broadcast()
        }
        for thread in threads { thread.join() }
        threads = []
    }

    private func work(_ context: Context) {
        while true {
            changed.lock()
            while jobs.isEmpty, !isClosed { changed.wait() }
            let job = jobs.popFirst()
            changed.unlock()
            guard let job else { return }
            job(context)
        }
    }
}
