import Basics
import CCurl
import Glibc

/// Watches the sockets and the timer that libcurl asks it to, with epoll.
///
/// `curl_multi_poll` and `curl_multi_perform` would be simpler, but they serve every ready socket in one round: answers
/// that arrive together then delay the requests that they make room for. Against a server that waits 50 ms, with 256
/// requests in flight, rounds of up to 256 events reached 74 % of what that latency allows, rounds of 16 reach 92 %
/// (Benchmarks/RESULTS.md).
final class Poller {
    private let descriptor: Int32
    /// Few at a time, so that a loop starts the next request before it reads all other answers.
    static let mostEvents = 16
    private var events = [epoll_event](repeating: epoll_event(), count: mostEvents)
    private var registered: Set<Int32> = []
    private var deadline: UInt64?
    let waker: Waker

    init() throws(IcecoreError) {
        let waker = try Waker()
        self.waker = waker
        descriptor = try systemCall("cannot create", "epoll") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.fd = waker.descriptor
        epoll_ctl(descriptor, EPOLL_CTL_ADD, waker.descriptor, &event)
    }

    deinit {
        close(descriptor)
    }

    func watch(_ socket: Int32, _ what: Int32) -> Int32 {
        var event = epoll_event()
        event.data.fd = socket
        if what == CURL_POLL_REMOVE {
            if registered.remove(socket) != nil { epoll_ctl(descriptor, EPOLL_CTL_DEL, socket, &event) }
            return 0
        }
        if what & CURL_POLL_IN != 0 { event.events |= EPOLLIN.rawValue }
        if what & CURL_POLL_OUT != 0 { event.events |= EPOLLOUT.rawValue }
        let isNew = registered.insert(socket).inserted
        if epoll_ctl(descriptor, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) != 0 {
            // The descriptor was closed and reused without notice: do the other of the two.
            return epoll_ctl(descriptor, isNew ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event)
        }
        return 0
    }

    func setTimer(_ milliseconds: Int) {
        deadline = milliseconds < 0 ? nil : MonotonicClock.milliseconds() + UInt64(milliseconds)
    }

    func takeExpiredTimer() -> Bool {
        guard let deadline, deadline <= MonotonicClock.milliseconds() else { return false }
        self.deadline = nil
        return true
    }

    /// Waits for events, at most so many. Those left over come first the next time.
    func wait(milliseconds: Int, events most: Int) throws(IcecoreError) -> Int {
        var patience = milliseconds
        if let deadline {
            let now = MonotonicClock.milliseconds()
            patience = min(patience, deadline > now ? Int(deadline - now) : 0)
        }
        let count = epoll_wait(descriptor, &events, Int32(min(max(1, most), events.count)), Int32(patience))
        if count < 0 {
            if errno == EINTR { return 0 }
            throw .system("cannot wait for", "the network", errno: errno)
        }
        return Int(count)
    }

    func event(_ index: Int) -> (socket: Int32, mask: Int32)? {
        let event = events[index]
        if event.data.fd == waker.descriptor {
            waker.clear()
            return nil
        }
        var mask: Int32 = 0
        if event.events & EPOLLIN.rawValue != 0 { mask |= CURL_CSELECT_IN }
        if event.events & EPOLLOUT.rawValue != 0 { mask |= CURL_CSELECT_OUT }
        if event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { mask |= CURL_CSELECT_ERR }
        return (event.data.fd, mask)
    }
}
