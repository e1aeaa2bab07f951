import CFuse3
import Glibc
import Synchronization

/// Decides which thread takes the next request: the one that holds the token. It alone waits for the kernel, and polls
/// for a moment before it sleeps: a program that reads many small files, or asks for many names, has its next request at
/// once, and waking a sleeping thread costs several times what the request does.
///
/// The holder keeps the token while it serves, as long as no other request waits and nothing slows it down. It passes it
/// on when more requests are queued, and before it waits for the disk; if it does neither and a request still takes
/// long, the watch takes the token from it.
final class RequestTurnstile: @unchecked Sendable {
    /// How long to poll, in nanoseconds.
    static let patience = 50_000
    /// How long a request may take before another thread takes the next one, in milliseconds.
    static let longest = 2

    private let descriptor: Int32
    private let token = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let alarm = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let isWatchAsleep = Atomic<Bool>(true)
    private let isOver = Atomic<Bool>(false)
    /// How many turns there were: requests served with the token in hand.
    private let turns = Atomic<Int>(0)
    /// The turn that has the token; 0: nobody serves with it.
    private let current = Atomic<Int>(0)
    private let polls: Bool

    /// Takes over the session's descriptor.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // On a single processor polling would keep the client from running.
        polls = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1
        sem_init(token, 0, 1)
        sem_init(alarm, 0, 0)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit {
        sem_destroy(token)
        sem_destroy(alarm)
        token.deallocate()
        alarm.deallocate()
    }

    /// Waits for the token.
    func take() {
        while sem_wait(token) != 0 {}
    }

    /// Gives the token to a thread that waits for it, or to the next that does.
    func pass() {
        sem_post(token)
    }

    /// Waits for a request and receives it; with the token only.
    ///
    /// - Parameter receive: tries to receive one; returns -EAGAIN if there is none.
    /// - Returns: what `receive` returned last, and whether the request was there at once.
    @inline(__always)
    func receive(_ receive: () -> Int32) -> (count: Int32, wasThere: Bool) {
        var count = receive()
        if count != -EAGAIN { return (count, true) }
        if polls {
            let start = now()
            while now() - start < RequestTurnstile.patience {
                count = receive()
                if count != -EAGAIN { return (count, false) }
            }
        }
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&request, 1, -1)
        return (receive(), false)
    }

    /// Whether another request is waiting.
    var hasMore: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    // MARK: Serving with the token in hand

    /// The holder begins to serve.
    ///
    /// - Returns: the number of its turn.
    func begin() -> Int {
        // There is one holder at a time, so nothing else counts meanwhile.
        let turn = turns.add(1, ordering: .relaxed).newValue
        current.store(turn, ordering: .releasing)
        if isWatchAsleep.load(ordering: .relaxed), isWatchAsleep.exchange(false, ordering: .acquiring) {
            sem_post(alarm)
        }
        return turn
    }

    /// Takes the token from a turn: called by the holder after it has served or before it waits, and by the watch when
    /// the turn takes long. The one that gets true has the token, the other has lost it.
    func end(_ turn: Int) -> Bool {
        current.compareExchange(expected: turn, desired: 0, ordering: .acquiringAndReleasing).exchanged
    }

    /// The watch, on a thread of its own.
    func watch() {
        var last = 0
        var idle = 0
        while !isOver.load(ordering: .relaxed) {
            if idle > 50 {
                idle = 0
                isWatchAsleep.store(true, ordering: .releasing)
                while sem_wait(alarm) != 0 {}
                continue
            }
            usleep(useconds_t(RequestTurnstile.longest * 1000))
            let turn = current.load(ordering: .acquiring)
            if turn != 0, turn == last, end(turn) { pass() }
            let newest = turns.load(ordering: .relaxed)
            idle = newest == last ? idle + 1 : 0
            last = newest
        }
    }

    /// Ends the watch.
    func stop() {
        isOver.store(true, ordering: .relaxed)
        sem_post(alarm)
    }

    private func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec &* 1_000_000_000 &+ time.tv_nsec
    }
}
