import Basics
import Foundation
import Synchronization

/// Work that must not delay the network.
package protocol Work: AnyObject, Sendable {
    /// - Parameter isStopping: to be called every few milliseconds; true: the result is no longer wanted.
    func perform(isStopping: () -> Bool)
}

/// A few threads for digests and disk access. They end with ``stop()``, or with the process.
package final class WorkPool: Sendable {
    /// How many threads there are.
    package let width = max(2, min(4, ProcessInfo.processInfo.activeProcessorCount))
    private let queue = Channel<any Work>(limit: 4096)
    private let isStopping = Atomic<Bool>(false)

    /// - Parameter done: called on one of the threads whenever some work is done.
    package init(done: @escaping @Sendable () -> Void) throws {
        for _ in 0..<width {
            do {
                try SystemThread.detach("work-pool") { [self] in
                    while let work = queue.receive() {
                        if isStopping.load(ordering: .relaxed) { return }
                        work.perform { isStopping.load(ordering: .relaxed) }
                        done()
                    }
                }
            } catch {
                stop()
                throw error
            }
        }
    }

    package func submit(_ work: any Work) {
        queue.send(work)
    }

    /// Stops the work that is being done, and drops what is queued.
    package func stop() {
        isStopping.store(true, ordering: .relaxed)
        queue.close()
    }
}
