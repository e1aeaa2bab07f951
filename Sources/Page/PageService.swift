import Basics
import Serving
import Web

/// Answers what begins with `/-/`: the page for people, and the same as JSON.
public struct PageService: WebService {
    /// What every address of the page begins with. No bucket can be named so.
    public static let prefix = Array("/-/".utf8)

    private let served: ServedStore
    private let scheme: String
    private let cache: SurveyCache

    /// - Parameter isSecure: the server speaks TLS.
    public init(_ served: ServedStore, isSecure: Bool = false) {
        self.served = served
        cache = SurveyCache(file: served.pageSums)
        scheme = isSecure ? "https" : "http"
    }

    /// Writes what is kept of sums, at the end.
    public func stop() { cache.save() }

    public func makeWorker() throws -> any WebWorker {
        PageWorker(try served.makeReader(), cache, scheme: scheme)
    }
}
