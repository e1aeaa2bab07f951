/// A request as it came: its head is parsed, and nothing of it decoded. Everything in it is hostile.
public struct WebRequest: Sendable {
    /// As sent: `GET`.
    public var method: String
    /// What precedes the first `?` of the target, percent-encoded as sent.
    public var path: [UInt8]
    /// What follows the first `?`, percent-encoded as sent; nil without one.
    public var query: [UInt8]?
    /// In the order in which they came; names as sent.
    public var headers: [(name: String, value: String)]
    /// The address that it came from, for the log.
    public var peer: String

    public init(
        method: String, path: [UInt8], query: [UInt8]? = nil, headers: [(name: String, value: String)] = [],
        peer: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.peer = peer
    }

    /// The value of a header that was sent exactly once, whatever the case of its name; nil if it is absent or repeated.
    public func header(_ name: String) -> String? {
        var found: String?
        for header in headers where header.name.utf8.count == name.utf8.count {
            guard header.name.lowercased() == name.lowercased() else { continue }
            if found != nil { return nil }
            found = header.value
        }
        return found
    }
}
