/// What a server allows its clients.
public struct WebOptions: Sendable {
    /// Threads that answer, each with a worker.
    public var threads = 8
    /// Threads that wait for bodies that arrive from elsewhere.
    public var waiters = 32
    /// Connections at once; further ones are told 503.
    public var connections = 1024
    /// The bytes of a head, and how many fields it may have.
    public var headBytes = 64 << 10
    public var headFields = 128
    /// The bytes of a request's body that are read, and ignored, for the sake of the connection.
    public var bodyBytes = 64 << 10
    /// In how many seconds a request must have arrived, counted from the moment when the server waits for it.
    public var requestSeconds: Int64 = 60
    /// For how many seconds a client may take nothing of what is sent.
    public var sendSeconds: Int64 = 120

    public init() {}
}

/// A request that was answered.
public struct WebExchange: Sendable {
    public var request: WebRequest
    public var status: Int
    /// Of the body, as far as it was sent.
    public var bytes: Int64
    public var milliseconds: Double
    /// The connection ended before the answer did.
    public var isCut: Bool
}
