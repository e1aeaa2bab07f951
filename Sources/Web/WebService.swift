import Basics

/// What answers requests. Each thread of the server's pool has a worker of its own.
public protocol WebService: Sendable {
    func makeWorker() throws -> any WebWorker
}

/// Answers requests, one at a time, on one thread that may block: it has its own connection to the index.
public protocol WebWorker: AnyObject {
    /// Never fails: an error is an answer, too.
    func answer(_ request: WebRequest) -> WebResponse

    /// The answer in place of one whose body could not be read, before anything of it was sent.
    func answer(failedBy error: any Error, _ request: WebRequest) -> WebResponse
}

extension WebWorker {
    /// Says no more than that: what failed may name files of this machine.
    public func answer(failedBy error: any Error, _ request: WebRequest) -> WebResponse {
        WebResponse(
            status: 500, headers: [("Content-Type", "text/plain")], body: .bytes(Array("the read failed\n".utf8)))
    }
}

/// Thrown by the first piece of a body to be answered with something else: a content that turned out not to be had.
public struct WebFailure: Error, @unchecked Sendable {
    // Thrown on the thread that catches it.
    public var response: WebResponse

    public init(_ response: WebResponse) {
        self.response = response
    }
}
