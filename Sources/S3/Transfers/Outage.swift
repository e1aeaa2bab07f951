/// Whether the server can be reached at all, as far as a loop knows.
struct Outage {
    private(set) var hasContact = false
    private var failures = 0
    private var since: UInt64?
    private var lastContact: UInt64 = 0

    /// An answer arrived.
    mutating func noteContact(_ now: UInt64) {
        hasContact = true
        lastContact = max(lastContact, now)
        failures = 0
        since = nil
    }

    /// A connection could not be made; the attempt began at `startedAt`.
    mutating func noteFailure(startedAt: UInt64) {
        failures += 1
        if since == nil { since = max(startedAt, lastContact) }
    }

    /// Several connections in a row could not be made: nothing new should be started.
    var isSuspected: Bool { failures >= 3 }

    /// It has lasted too long to wait for its end: a second for a server that was never reached, else fifteen.
    func isConfirmed(_ now: UInt64) -> Bool {
        guard let since else { return false }
        return isSuspected && now >= since + (hasContact ? 15_000 : 1000)
    }
}
