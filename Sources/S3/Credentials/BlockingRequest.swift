import Basics

/// A request to a service that gives out credentials: the caller waits for it, and its answer is small.
final class BlockingRequest: EasyHandle {
    typealias Answer = (status: Int, body: [UInt8])

    private var head = S3ResponseHead()
    private var body: [UInt8] = []

    override func receive(header line: UnsafeRawBufferPointer) -> Bool {
        head.add(line: line)
    }

    override func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
        body.append(contentsOf: bytes)
        return body.count <= 65536
    }

    /// Nil without an answer. Never uses a proxy, as the addresses are local to this machine.
    static func send(
        url: String, method: CurlMethod = .get, headers: [String], connectMilliseconds: Int, milliseconds: Int
    ) throws(IcecoreError) -> Answer? {
        let request = try BlockingRequest(signed: false)
        request.setTimeouts(connectMilliseconds: connectMilliseconds, stallSeconds: 10, bytesPerSecond: 1)
        request.setMethod(method)
        let list = HeaderList(headers)
        request.setTarget(
            url: Array(url.utf8) + [0], range: nil, headers: list, freshConnection: false, large: false)
        let result = withExtendedLifetime(list) {
            request.perform(timeoutMilliseconds: milliseconds, withoutProxy: true)
        }
        guard case .done = result else { return nil }
        return (request.head.status, request.body)
    }

    /// Posts a form to an AWS service, through a proxy if there is one; an interruption ends the wait.
    ///
    /// - Parameter signer: the credentials and the scope to sign with; nil for unsigned.
    /// - Throws: `unavailable` without an answer.
    static func post(
        form: [UInt8], to endpoint: Endpoint, signer: (credentials: Credentials, scope: String)?,
        certificateBundle: String?, milliseconds: UInt64
    ) throws(IcecoreError) -> Answer {
        let request = try BlockingRequest(signed: signer != nil)
        request.setTimeouts(connectMilliseconds: 5000, stallSeconds: 10, bytesPerSecond: 1)
        if let certificateBundle { request.setCertificateBundle(certificateBundle) }
        request.setMethod(.custom("POST", payload: form))
        var headers = ["Content-Type: application/x-www-form-urlencoded; charset=utf-8"]
        if let (credentials, scope) = signer {
            request.setSigner(
                scope: scope, accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey)
            headers.append("x-amz-content-sha256: \(Hex.encode(SHA256.digest(form)))")
            if let token = credentials.sessionToken { headers.append("x-amz-security-token: \(token)") }
        }
        let list = HeaderList(headers)
        defer { withExtendedLifetime(list) {} }
        request.setTarget(
            url: Array("\(endpoint.description)/".utf8) + [0], range: nil, headers: list, freshConnection: false,
            large: false)
        let multi = try MultiHandle(connections: 1)
        try multi.add(request)
        let deadline = MonotonicClock.milliseconds() + milliseconds
        while true {
            do {
                try Interruption.check()
                try multi.run(milliseconds: 200)
            } catch {
                multi.remove(request)
                throw error
            }
            if let (_, result) = multi.nextFinished() {
                switch result {
                case .done: return (request.head.status, request.body)
                case .unreachable(let reason), .untrusted(let reason), .cut(let reason), .failed(let reason):
                    throw IcecoreError(.unavailable, Display.text(reason, limit: 200))
                case .timedOut: throw IcecoreError(.unavailable, "it does not answer in time")
                case .refused: throw IcecoreError(.unavailable, "its answer is too long")
                }
            }
            if MonotonicClock.milliseconds() >= deadline {
                multi.remove(request)
                throw IcecoreError(.unavailable, "it does not answer in time")
            }
        }
    }
}
