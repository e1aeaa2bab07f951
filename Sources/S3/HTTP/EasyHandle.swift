import Basics
import CCurl
import Glibc

// This folder is the only place that calls libcurl. Nothing in it knows S3.

/// One reusable request. Subclasses receive the answer.
class EasyHandle {
    /// libcurl's global state, initialised once.
    static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    let raw: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private let isSigned: Bool
    private var bufferSize = 16384
    private var largestBuffer = Int.max
    private var socketBuffer: Int32 = 0
    private(set) var isPaused = false
    private var acceptsGzip = false
    /// The request has a connection (it may not have been sent yet).
    private(set) var isConnected = false

    /// - Parameter signed: a handle that has signed once cannot be made to stop, so the two kinds are separate handles.
    init(signed: Bool) throws(IcecoreError) {
        guard EasyHandle.isLibraryReady, let raw = curl_easy_init() else {
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
            // Any number but the count makes libcurl stop; for an empty chunk, 1 will do.
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
        // libcurl resends a request from the start if its connection turned out to be closed.
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

    /// One header line with its line ending, including the status line and the empty line; false stops the transfer.
    func receive(header line: UnsafeRawBufferPointer) -> Bool { true }

    /// The next bytes of the body; false stops the transfer.
    func receive(body bytes: UnsafeRawBufferPointer) -> Bool { true }

    /// How many bytes of an upload's body libcurl has taken.
    private(set) var sent: Int64 = 0

    /// Supplies the next bytes of an upload's body, starting at `offset`, and returns their number; nil stops the
    /// transfer.
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

    /// Time limits for connecting, and for a transfer that moves less than `bytesPerSecond`.
    func setTimeouts(connectMilliseconds: Int, stallSeconds: Int, bytesPerSecond: Int) {
        set(CURLOPT_CONNECTTIMEOUT_MS, connectMilliseconds)
        set(CURLOPT_LOW_SPEED_TIME, stallSeconds)
        set(CURLOPT_LOW_SPEED_LIMIT, bytesPerSecond)
    }

    /// Stops receiving until ``resume()``. To be called while bytes of the body are received: libcurl would otherwise read
    /// on, up to a hundred buffers at a time.
    func pause() {
        isPaused = curl_easy_pause(raw, CURLPAUSE_RECV) == CURLE_OK
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        curl_easy_pause(raw, CURLPAUSE_CONT)
    }

    /// Has no more than so many bytes read or sent at a time, as far as libcurl allows such small buffers, and so many wait
    /// in the kernel for each connection, which otherwise takes several mebibytes as fast as they come.
    func limitBuffers(to bytes: Int, socket: Int) {
        largestBuffer = max(1024, bytes)
        set(CURLOPT_UPLOAD_BUFFERSIZE, min(65536, max(16384, bytes)))
        socketBuffer = Int32(clamping: max(16384, socket))
        set(CURLOPT_SOCKOPTDATA, pointer: Unmanaged.passUnretained(self).toOpaque())
        _ = icecore_easy_set_socket_option_callback(raw) { context, socket, _ in
            guard let context else { return CURL_SOCKOPT_OK }
            var size = Unmanaged<EasyHandle>.fromOpaque(context).takeUnretainedValue().socketBuffer
            for option in [SO_RCVBUF, SO_SNDBUF] {
                setsockopt(socket, SOL_SOCKET, option, &size, socklen_t(MemoryLayout.size(ofValue: size)))
            }
            return CURL_SOCKOPT_OK
        }
    }

    /// A file of certificates to trust instead of the system's.
    func setCertificateBundle(_ path: String) {
        set(CURLOPT_CAINFO, path)
    }

    /// The keys to sign with. Only for a handle created with `signed`.
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
            // Waiting for permission to send a body costs more than sending one in vain. (An empty `Expect:` header,
            // the usual way to say so, would be signed but not sent.)
            set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1)
        case .custom(let name, let payload):
            set(CURLOPT_NOBODY, 0)
            set(CURLOPT_UPLOAD, 0)
            set(CURLOPT_POST, 1)
            _ = icecore_easy_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(payload.count))
            // An empty array may have no address; nothing is read from the stand-in.
            payload.withUnsafeBytes { set(CURLOPT_COPYPOSTFIELDS, pointer: $0.baseAddress ?? UnsafeRawPointer(raw)) }
            set(CURLOPT_CUSTOMREQUEST, "\(name)")
        }
    }

    /// Sets what to request.
    ///
    /// - Parameters:
    ///   - url: percent-encoded ASCII, NUL-terminated.
    ///   - range: the value of a Range header after `bytes=`.
    ///   - large: whether the answer is large enough for a larger buffer to pay off.
    func setTarget(url: [UInt8], range: String?, headers: HeaderList, freshConnection: Bool, large: Bool) {
        url.withUnsafeBytes { bytes in
            _ = icecore_easy_set_string(raw, CURLOPT_URL, bytes.assumingMemoryBound(to: CChar.self).baseAddress)
        }
        set(CURLOPT_RANGE, range)
        _ = icecore_easy_set_list(raw, CURLOPT_HTTPHEADER, headers.raw)
        set(CURLOPT_FRESH_CONNECT, freshConnection ? 1 : 0)
        let wanted = min(large ? 262_144 : 16384, largestBuffer)
        if wanted != bufferSize {
            bufferSize = wanted
            set(CURLOPT_BUFFERSIZE, wanted)
        }
    }

    /// Says in the request that the content may be in gzip's form, or does not. It is never decoded here: this is for what
    /// is stored in that form. The header is libcurl's own, which it does not sign: services that pass it on change it.
    func acceptGzip(_ accepts: Bool) {
        guard accepts != acceptsGzip else { return }
        acceptsGzip = accepts
        set(CURLOPT_ACCEPT_ENCODING, accepts ? "gzip" : nil)
        set(CURLOPT_HTTP_CONTENT_DECODING, 0)
    }

    /// Makes the request on this thread and waits for its end. For the few requests outside a loop.
    func perform(timeoutMilliseconds: Int, withoutProxy: Bool) -> CurlResult {
        set(CURLOPT_TIMEOUT_MS, timeoutMilliseconds)
        if withoutProxy { set(CURLOPT_NOPROXY, "*") }
        return result(of: curl_easy_perform(raw))
    }

    /// Forgets the request before, for a ``MultiHandle`` that starts another.
    func prepare() {
        errorText[0] = 0
        isConnected = false
        isPaused = false
        sent = 0
    }

    func result(of code: CURLcode) -> CurlResult {
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
            return .unreachable(reason: EasyHandle.explained(reason(code)))
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

    /// OpenSSL's words for an answer that is no TLS.
    private static func explained(_ reason: String) -> String {
        guard reason.contains("wrong version number") || reason.contains("packet length too long") else {
            return reason
        }
        return "it does not speak TLS: an endpoint with http:// rather than https:// may be meant"
    }

    private func reason(_ code: CURLcode) -> String {
        let detail = String(cString: errorText)
        return detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    }
}
