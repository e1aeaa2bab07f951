/// What the loop remembers of a transfer between attempts.
struct TransferProgress {
    var attempts = 0
    var connectFailures = 0
    var redirects = 0
    var renewals = 0
    /// It was abandoned once because its answer did not begin.
    var wasSlow = false
    var wantsFreshConnection = false
    /// Something on the way may have decoded the content: say that it may come as it is stored.
    var acceptsGzip = false
    /// A region or a host that the server sent this transfer to.
    var region: String?
    var host: Endpoint?
}
