import Basics
import CCurl

/// Many requests at once on one thread: libcurl's multi interface driven by epoll.
final class MultiHandle {
    private let raw: UnsafeMutableRawPointer
    private let poller: Poller

    /// - Parameter connections: how many idle connections to keep.
    init(connections: Int) throws(IcecoreError) {
        poller = try Poller()
        guard EasyHandle.isLibraryReady, let raw = curl_multi_init() else {
            throw IcecoreError(.system, "libcurl could not be initialised")
        }
        self.raw = raw
        let context = Unmanaged.passUnretained(poller).toOpaque()
        _ = icecore_multi_set_socket_callback(
            raw,
            { _, socket, what, context, _ in
                guard let context else { return -1 }
                return Unmanaged<Poller>.fromOpaque(context).takeUnretainedValue().watch(socket, what)
            }, context)
        _ = icecore_multi_set_timer_callback(
            raw,
            { _, milliseconds, context in
                guard let context else { return -1 }
                Unmanaged<Poller>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
                return 0
            }, context)
        _ = icecore_multi_set_long(raw, CURLMOPT_MAXCONNECTS, connections)
        _ = icecore_multi_set_long(raw, CURLMOPT_PIPELINING, 0)
    }

    deinit {
        curl_multi_cleanup(raw)
    }

    /// Starts a request; it makes progress in ``run(milliseconds:)``.
    func add(_ easy: EasyHandle) throws(IcecoreError) {
        easy.prepare()
        let code = curl_multi_add_handle(raw, easy.raw)
        if code != CURLM_OK {
            throw IcecoreError(.system, "libcurl refused a request: \(String(cString: curl_multi_strerror(code)))")
        }
    }

    /// Removes a request; an unfinished one is abandoned and its connection closed.
    func remove(_ easy: EasyHandle) {
        curl_multi_remove_handle(raw, easy.raw)
    }

    /// Waits for events, at most this long, and lets libcurl act on so many of them.
    func run(milliseconds: Int, events: Int = Poller.mostEvents) throws(IcecoreError) {
        var running: Int32 = 0
        let count = try poller.wait(milliseconds: milliseconds, events: events)
        for index in 0..<count {
            guard let (socket, mask) = poller.event(index) else { continue }
            curl_multi_socket_action(raw, socket, mask, &running)
        }
        // A timer that libcurl sets to "now" during these calls is served at once, within limits.
        var rounds = 0
        while rounds < 8, poller.takeExpiredTimer() {
            curl_multi_socket_action(raw, CURL_SOCKET_TIMEOUT, 0, &running)
            rounds += 1
        }
    }

    /// A finished request, already removed; nil if there is none.
    func nextFinished() -> (EasyHandle, CurlResult)? {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(raw, &remaining) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let code = icecore_message_result(message)
            var context: UnsafeMutableRawPointer?
            _ = icecore_easy_get_pointer(handle, CURLINFO_PRIVATE, &context)
            curl_multi_remove_handle(raw, handle)
            guard let context else { continue }
            let easy = Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
            return (easy, easy.result(of: code))
        }
        return nil
    }

    /// Wakes a thread that waits in ``run(milliseconds:)``.
    var waker: Waker { poller.waker }
}
