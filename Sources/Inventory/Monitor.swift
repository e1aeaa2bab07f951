import Glibc

/// A mutex with two conditions: one that the threads at work wait for, one that the reader of their results waits for.
final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let results = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(work, nil)
        pthread_cond_init(results, nil)
    }

    deinit {
        pthread_cond_destroy(results)
        pthread_cond_destroy(work)
        pthread_mutex_destroy(mutex)
        results.deallocate()
        work.deallocate()
        mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
    func waitForWork() { pthread_cond_wait(work, mutex) }
    func waitForResults() { pthread_cond_wait(results, mutex) }
    func announceWork() { pthread_cond_broadcast(work) }
    func announceResults() { pthread_cond_broadcast(results) }
}
