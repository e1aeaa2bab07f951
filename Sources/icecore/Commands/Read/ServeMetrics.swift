import Basics
import Synchronization
import Web

/// What a server has done, for Prometheus.
final class ServeMetrics: Sendable {
    private struct Counts {
        var requests: [String: [Int: Int64]] = [:]
        var bytes: Int64 = 0
        var cut: Int64 = 0
        var seconds = 0.0
        var finished: Int64 = 0
        /// How many took no longer than each of the bounds.
        var within = [Int64](repeating: 0, count: ServeMetrics.bounds.count)
    }

    /// In milliseconds.
    private static let bounds: [Double] = [1, 5, 25, 100, 500, 2500, 10_000]
    private static let methods: Set<String> = ["GET", "HEAD"]
    private let counts = Mutex(Counts())
    private let holder = Mutex<WebServer?>(nil)

    var server: WebServer? {
        get { holder.withLock { $0 } }
        set { holder.withLock { $0 = newValue } }
    }

    func count(_ exchange: WebExchange) {
        // Anybody can make up a method.
        let method = ServeMetrics.methods.contains(exchange.request.method) ? exchange.request.method : "other"
        counts.withLock { counts in
            counts.requests[method, default: [:]][exchange.status, default: 0] += 1
            counts.bytes += exchange.bytes
            counts.seconds += exchange.milliseconds / 1000
            counts.finished += 1
            if exchange.isCut { counts.cut += 1 }
            for (place, bound) in ServeMetrics.bounds.enumerated() where exchange.milliseconds <= bound {
                counts.within[place] += 1
            }
        }
    }

    func answer(_ request: WebRequest) -> WebResponse {
        guard request.method == "GET" || request.method == "HEAD" else {
            return WebResponse(status: 405, headers: [("Allow", "GET, HEAD")])
        }
        let counts = counts.withLock { $0 }
        var text = """
            # HELP icecore_requests_total Requests that were answered.
            # TYPE icecore_requests_total counter

            """
        for (method, statuses) in counts.requests.sorted(by: { $0.key < $1.key }) {
            for (status, number) in statuses.sorted(by: { $0.key < $1.key }) {
                text += "icecore_requests_total{method=\"\(method)\",status=\"\(status)\"} \(number)\n"
            }
        }
        text += """
            # HELP icecore_sent_bytes_total Bytes of bodies that were sent.
            # TYPE icecore_sent_bytes_total counter
            icecore_sent_bytes_total \(counts.bytes)
            # HELP icecore_cut_answers_total Answers that ended early.
            # TYPE icecore_cut_answers_total counter
            icecore_cut_answers_total \(counts.cut)
            # HELP icecore_connections Connections that are open.
            # TYPE icecore_connections gauge
            icecore_connections \(server?.openConnections ?? 0)
            # HELP icecore_request_seconds How long answers took, to their last byte.
            # TYPE icecore_request_seconds histogram

            """
        for (place, bound) in ServeMetrics.bounds.enumerated() {
            text += "icecore_request_seconds_bucket{le=\"\(bound / 1000)\"} \(counts.within[place])\n"
        }
        text += """
            icecore_request_seconds_bucket{le="+Inf"} \(counts.finished)
            icecore_request_seconds_sum \(counts.seconds)
            icecore_request_seconds_count \(counts.finished)

            """
        return WebResponse(
            status: 200,
            headers: [("Content-Type", "text/plain; version=0.0.4"), ("X-Content-Type-Options", "nosniff")],
            body: .bytes(Array(text.utf8)))
    }
}
