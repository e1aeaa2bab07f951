import Basics
import CCurl
import Glibc

// The one file that calls libcurl. Nothing here knows S3.

/// libcurl's global state, made once.
private let curlReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

/// How one attempt at a transfer ended, in the terms in which retries are decided.
enum CurlResult: Sendable {
    case done
    /// No connection could be made, so the server has not seen the request.
    case unreachable(reason: String)
    /// The server's certificate is not to be trusted.
    case untrusted(reason: String)
    case timedOut
    /// The connection ended, or broke, before the answer was complete.
    case cut(reason: String)
    /// A callback said stop.
    case refused
    case failed(reason: String)
}

/// Which HTTP request an easy handle makes.
enum CurlMethod {
    case get, head
    /// Any other, with a body (which may be empty).
    case custom(StaticString, payload: [UInt8])
    /// PUT of so many bytes, which ``EasyHandle/send(into:at:)`` supplies.
    case upload(length: Int64)
}

/// One reusable request. Subclasses receive what arrives.
class EasyHandle {
    fileprivate let raw: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private let isSigned: Bool
    private var bufferSize = 16384
    /// The request has a connection (it may not have been sent yet).
    fileprivate(set) var isConnected = false

    /// - Parameter signed: a handle that signs once cannot be made to stop, so the two kinds are different handles.
    init(signed: Bool) throws(IcecoreError) {
        guard curlReady, let raw = curl_easy_init() else {
            throw IcecoreError(.system, "libcurl could not be initialised")
        }
        self.raw = raw
        isSigned = signed
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        let context = Unmanaged.passUnretained(self).toOpaque()
        set(CURLOPT_PRIVATE, pointer: context)
        set(CURLOPT_ERRORBUFFER, pointer: errorText)
        set(CURLOPT_WRITEDATA, pointer: context)
        set(CURLOPT_HEADERDATA, pointer: context)
        icecore_easy_set_data_callback(raw, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let context, let bytes else { return 0 }
            let easy = Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
            let chunk = UnsafeRawBufferPointer(start: bytes, count: size * count)
            // Anything but the count makes libcurl stop; for an empty chunk 1 is such a number.
            return easy.receive(body: chunk) ? chunk.count : chunk.isEmpty ? 1 : 0
        }
        icecore_easy_set_data_callback(raw, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let context, let bytes else { return 0 }
            let easy = Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return easy.receive(header: line) ? line.count : line.isEmpty ? 1 : 0
        }
        set(CURLOPT_READDATA, pointer: context)
        icecore_easy_set_data_callback(raw, CURLOPT_READFUNCTION) { bytes, size, count, context in
            guard let context, let bytes else { return Int(CURL_READFUNC_ABORT) }
            let easy = Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue()
            let room = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            guard let sent = easy.send(into: room, at: easy.sent) else { return Int(CURL_READFUNC_ABORT) }
            easy.sent += Int64(sent)
            return sent
        }
        set(CURLOPT_SEEKDATA, pointer: context)
        // A request that met a connection that had just been closed is sent once more from its beginning.
        icecore_easy_set_seek_callback(raw) { context, offset, origin in
            guard let context, origin == SEEK_SET else { return CURL_SEEKFUNC_FAIL }
            Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue().sent = Int64(offset)
            return CURL_SEEKFUNC_OK
        }
        set(CURLOPT_PREREQDATA, pointer: context)
        icecore_easy_set_prereq_callback(raw) { context, _, _, _, _ in
            if let context { Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue().isConnected = true }
            return CURL_PREREQFUNC_OK
        }
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_NOPROGRESS, 1)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_USERAGENT, "icecore")
        _ = icecore_easy_set_long(raw, CURLOPT_DNS_CACHE_TIMEOUT, 300)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
    }

    deinit {
        curl_easy_cleanup(raw)
        errorText.deallocate()
    }

    /// One header line with its line end, the status line and the empty line included; false stops the transfer.
    func receive(header line: UnsafeRawBufferPointer) -> Bool { true }

    /// The next bytes of the body; false stops the transfer.
    func receive(body bytes: UnsafeRawBufferPointer) -> Bool { true }

    /// How many bytes of an upload's body libcurl has taken.
    fileprivate(set) var sent: Int64 = 0

    /// Supplies the next bytes of an upload's body, from `offset` on: how many; nil stops the transfer.
    func send(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int? { nil }

    private func set(_ option: CURLoption, _ value: Int) {
        _ = icecore_easy_set_long(raw, option, value)
    }

    private func set(_ option: CURLoption, _ value: String?) {
        _ = icecore_easy_set_string(raw, option, value)
    }

    private func set(_ option: CURLoption, pointer: UnsafeRawPointer?) {
        _ = icecore_easy_set_pointer(raw, option, pointer)
    }

    /// Limits of patience: for the connection, and for a transfer that moves less than `bytesPerSecond`.
    func setTimeouts(connectMilliseconds: Int, stallSeconds: Int, bytesPerSecond: Int) {
        set(CURLOPT_CONNECTTIMEOUT_MS, connectMilliseconds)
        set(CURLOPT_LOW_SPEED_TIME, stallSeconds)
        set(CURLOPT_LOW_SPEED_LIMIT, bytesPerSecond)
    }

    /// A file of certificates to trust in place of the system's.
    func setCertificateBundle(_ path: String) {
        set(CURLOPT_CAINFO, path)
    }

    /// Whom to sign for. Only for a handle that was made to sign.
    func setSigner(scope: String, accessKey: String, secretKey: String) {
        precondition(isSigned)
        set(CURLOPT_AWS_SIGV4, scope)
        set(CURLOPT_USERNAME, accessKey)
        set(CURLOPT_PASSWORD, secretKey)
    }

    func setMethod(_ method: CurlMethod) {
        switch method {
        case .get:
            set(CURLOPT_HTTPGET, 1)
            set(CURLOPT_CUSTOMREQUEST, nil)
        case .head:
            set(CURLOPT_CUSTOMREQUEST, nil)
            set(CURLOPT_UPLOAD, 0)
            set(CURLOPT_NOBODY, 1)
        case .upload(let length):
            set(CURLOPT_CUSTOMREQUEST, nil)
            set(CURLOPT_NOBODY, 0)
            set(CURLOPT_UPLOAD, 1)
            _ = icecore_easy_set_offset(raw, CURLOPT_INFILESIZE_LARGE, curl_off_t(length))
            // Waiting for leave to send a body costs more than a body that is sent in vain. (A header `Expect:` to say so
            // would be signed, and not sent.)
            set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1)
        case .custom(let name, let payload):
            set(CURLOPT_NOBODY, 0)
            set(CURLOPT_UPLOAD, 0)
            set(CURLOPT_POST, 1)
            _ = icecore_easy_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(payload.count))
            // An empty array may have no address; no byte of what stands in for it is read.
            payload.withUnsafeBytes { set(CURLOPT_COPYPOSTFIELDS, pointer: $0.baseAddress ?? UnsafeRawPointer(raw)) }
            set(CURLOPT_CUSTOMREQUEST, "\(name)")
        }
    }

    /// What to ask for.
    ///
    /// - Parameters:
    ///   - url: percent-encoded ASCII with a NUL at its end.
    ///   - range: the value of a Range header after `bytes=`.
    ///   - large: whether much is expected, so that a larger buffer pays.
    func setTarget(url: [UInt8], range: String?, headers: HeaderList, freshConnection: Bool, large: Bool) {
        url.withUnsafeBytes { bytes in
            _ = icecore_easy_set_string(raw, CURLOPT_URL, bytes.assumingMemoryBound(to: CChar.self).baseAddress)
        }
        set(CURLOPT_RANGE, range)
        _ = icecore_easy_set_list(raw, CURLOPT_HTTPHEADER, headers.raw)
        set(CURLOPT_FRESH_CONNECT, freshConnection ? 1 : 0)
        let wanted = large ? 262_144 : 16384
        if wanted != bufferSize {
            bufferSize = wanted
            set(CURLOPT_BUFFERSIZE, wanted)
        }
    }

    /// Makes the request on this thread and waits for its end. For the few requests that are no transfers.
    func perform(timeoutMilliseconds: Int, withoutProxy: Bool) -> CurlResult {
        set(CURLOPT_TIMEOUT_MS, timeoutMilliseconds)
        if withoutProxy { set(CURLOPT_NOPROXY, "*") }
        return result(of: curl_easy_perform(raw))
    }

    fileprivate func prepare() {
        errorText[0] = 0
        isConnected = false
        sent = 0
    }

    fileprivate func result(of code: CURLcode) -> CurlResult {
        switch code {
        case CURLE_OK: return .done
        case CURLE_COULDNT_RESOLVE_HOST: return .unreachable(reason: "its host name cannot be resolved")
        case CURLE_COULDNT_RESOLVE_PROXY: return .unreachable(reason: "the proxy's host name cannot be resolved")
        case CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR:
            var number = 0
            _ = icecore_easy_get_long(raw, CURLINFO_OS_ERRNO, &number)
            if code == CURLE_COULDNT_CONNECT, number > 0, number < 4096 {
                return .unreachable(reason: String(cString: strerror(Int32(number))).lowercased())
            }
            return .unreachable(reason: reason(code))
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CERTPROBLEM:
            return .untrusted(reason: reason(code))
        case CURLE_OPERATION_TIMEDOUT:
            var microseconds: curl_off_t = 0
            _ = icecore_easy_get_offset(raw, CURLINFO_PRETRANSFER_TIME_T, &microseconds)
            return microseconds > 0 ? .timedOut : .unreachable(reason: "it does not answer in time")
        case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING:
            return .cut(reason: reason(code))
        case CURLE_WRITE_ERROR, CURLE_ABORTED_BY_CALLBACK: return .refused
        default: return .failed(reason: reason(code))
        }
    }

    private func reason(_ code: CURLcode) -> String {
        let detail = String(cString: errorText)
        return detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    }
}

/// Request headers in libcurl's form. Shared by requests that send the same ones.
final class HeaderList {
    fileprivate private(set) var raw: UnsafeMutablePointer<curl_slist>?

    init(_ lines: [String]) {
        for line in lines {
            // Only memory can be lacking here, and then the program ends elsewhere.
            if let longer = curl_slist_append(raw, line) { raw = longer }
        }
    }

    deinit {
        curl_slist_free_all(raw)
    }
}

/// Many requests at once on one thread: libcurl's multi interface driven by epoll.
final class MultiHandle {
    private let raw: UnsafeMutableRawPointer
    private let poller: Poller

    /// - Parameter connections: how many idle connections to keep.
    init(connections: Int) throws(IcecoreError) {
        poller = try Poller()
        guard curlReady, let raw = curl_multi_init() else {
            throw IcecoreError(.system, "libcurl could not be initialised")
        }
        self.raw = raw
        let context = Unmanaged.passUnretained(poller).toOpaque()
        _ = icecore_multi_set_socket_callback(
            raw,
            { _, socket, what, context, known in
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

    /// Starts a request; it moves on in the next ``run(milliseconds:)``.
    func add(_ easy: EasyHandle) throws(IcecoreError) {
        easy.prepare()
        let code = curl_multi_add_handle(raw, easy.raw)
        if code != CURLM_OK {
            throw IcecoreError(.system, "libcurl refused a request: \(String(cString: curl_multi_strerror(code)))")
        }
    }

    /// Takes a request out; one that is not finished is given up, and its connection closed.
    func remove(_ easy: EasyHandle) {
        curl_multi_remove_handle(raw, easy.raw)
    }

    /// Waits for events, for at most so long, and lets libcurl act on them.
    func run(milliseconds: Int) throws(IcecoreError) {
        var running: Int32 = 0
        let count = try poller.wait(milliseconds: milliseconds)
        for index in 0..<count {
            guard let (socket, mask) = poller.event(index) else { continue }
            curl_multi_socket_action(raw, socket, mask, &running)
        }
        // A timer that libcurl sets to "now" while it is being called is served in the same round, for a while.
        var rounds = 0
        while rounds < 8, poller.takeExpiredTimer() {
            curl_multi_socket_action(raw, CURL_SOCKET_TIMEOUT, 0, &running)
            rounds += 1
        }
    }

    /// One request that has come to its end, already taken out; nil when there is none.
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

    /// Ends a wait from another thread.
    var waker: Waker { poller.waker }
}

/// Something that ends a wait of a ``MultiHandle``, from any thread.
final class Waker: Sendable {
    fileprivate let descriptor: Int32

    fileprivate init() throws(IcecoreError) {
        descriptor = try systemCall("cannot create", "eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
    }

    deinit {
        close(descriptor)
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    fileprivate func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

/// The sockets and the timer that libcurl wants watched.
private final class Poller {
    private let descriptor: Int32
    /// Few at a time: what one answer makes room for is asked for before the next ones are read, so that answers that come
    /// together do not make their successors wait for all of them.
    private var events = [epoll_event](repeating: epoll_event(), count: 16)
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
            // A descriptor that was closed and opened again unseen: whichever of the two is right now.
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

    func wait(milliseconds: Int) throws(IcecoreError) -> Int {
        var patience = milliseconds
        if let deadline {
            let now = MonotonicClock.milliseconds()
            patience = min(patience, deadline > now ? Int(deadline - now) : 0)
        }
        let count = epoll_wait(descriptor, &events, Int32(events.count), Int32(patience))
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
