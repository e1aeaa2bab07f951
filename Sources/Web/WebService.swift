import Basics

/// What answers requests. Each thread of the server's pool has a worker of its own.
public protocol WebService: Sendable {
    func makeWorker() throws -> any WebWorker
}

/// Answers requests, one at a time, on one thread that may block: it has its own connection to the index.
public protocol WebWorker: AnyObject {
    /// Never fails: an error is an answer, too.
    func answer(_ request: WebRequest) -> WebResponse
}
