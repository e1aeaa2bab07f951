/// How one attempt at a transfer ended, in the terms that retries are decided by.
enum CurlResult: Sendable {
    case done
    /// No connection could be made, so the server has not seen the request.
    case unreachable(reason: String)
    /// The server's certificate cannot be trusted.
    case untrusted(reason: String)
    case timedOut
    /// The connection ended, or broke, before the answer was complete.
    case cut(reason: String)
    /// A callback stopped it.
    case refused
    case failed(reason: String)
}
