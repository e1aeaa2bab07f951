import Basics
import Gateway
import Web

/// Gives each request to what answers it: `/-/…` to the page, all else to the S3 side. No bucket can be called `-`.
struct ServeRouter: WebService {
    let s3: any WebService
    /// nil: there is none.
    let page: (any WebService)?
    let metrics: ServeMetrics
    let rules: AccessRules

    func makeWorker() throws -> any WebWorker {
        ServeWorker(
            s3: try s3.makeWorker(), page: try page?.makeWorker(), metrics: metrics, check: rules.makeCheck())
    }
}

private final class ServeWorker: WebWorker {
    private let s3: any WebWorker
    private let page: (any WebWorker)?
    private let metrics: ServeMetrics
    private let check: AccessCheck

    init(s3: any WebWorker, page: (any WebWorker)?, metrics: ServeMetrics, check: AccessCheck) {
        self.s3 = s3
        self.page = page
        self.metrics = metrics
        self.check = check
    }

    private static let place = Array("/-/".utf8)

    func answer(_ request: WebRequest) -> WebResponse {
        if page != nil, AccessCheck.isTypedIn(request) {
            return WebResponse(status: 303, headers: [("Location", "/-/")])
        }
        if let refusal = check.refusal(of: request) { return refusal }
        if request.path.starts(with: ServeWorker.place) || request.path.elementsEqual("/-".utf8) {
            if request.path.elementsEqual("/-/metrics".utf8) { return metrics.answer(request) }
            return page?.answer(request)
                ?? WebResponse(
                    status: 404, headers: [("Content-Type", "text/plain"), ("X-Content-Type-Options", "nosniff")],
                    body: .bytes(Array("there is no page here\n".utf8)))
        }
        return s3.answer(request)
    }

    func answer(failedBy error: any Error, _ request: WebRequest) -> WebResponse {
        if request.path.starts(with: ServeWorker.place), let page { return page.answer(failedBy: error, request) }
        return s3.answer(failedBy: error, request)
    }
}
