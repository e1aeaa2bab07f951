import Basics
import Model

/// Stops a download whose source denies most of what it is asked for: then more likely the server, the bucket or the
/// credentials are wrong than the inventory.
struct FetchBrake {
    private let acceptsLosses: Bool
    private let server: String
    /// How many objects were asked for, and denied; and those among them that the inventory marks latest. Versions that
    /// have been replaced do expire.
    private var asked = 0
    private var lost = 0
    private var askedLatest = 0
    private var lostLatest = 0
    private var refused = 0

    /// At most so many latest objects, and so many of all, may be denied in any case: small numbers say little.
    private static let mostLatest = 10
    private static let most = 100
    /// From so many denials of latest objects on, the end is not waited for.
    private static let early = 100

    /// - Parameter server: what to call the source in messages.
    init(acceptsLosses: Bool, server: String) {
        self.acceptsLosses = acceptsLosses
        self.server = server
    }

    /// An object has arrived, and with it the contents of some others.
    mutating func arrived(_ want: FetchRequest, and others: Int = 0) {
        asked += 1 + others
        if want.isLatest { askedLatest += 1 + others }
    }

    /// An object has not come.
    mutating func lost(_ want: FetchRequest, _ failure: FetchFailure) {
        asked += 1
        if want.isLatest { askedLatest += 1 }
        guard failure.isLoss else { return }
        lost += 1
        if want.isLatest { lostLatest += 1 }
        if failure == .refused { refused += 1 }
    }

    /// Why the source should not be believed; nil: it should, as far as is known.
    ///
    /// - Parameter isAtEnd: everything has been asked for.
    func error(isAtEnd: Bool) -> IcecoreError? {
        if acceptsLosses { return nil }
        let least = isAtEnd ? FetchBrake.mostLatest : FetchBrake.early
        if lostLatest > least, lostLatest * 2 > askedLatest {
            return error(lostLatest, askedLatest, "objects that the inventory lists as the latest")
        }
        if isAtEnd, lost > FetchBrake.most, lost * 2 > asked { return error(lost, asked, "objects") }
        return nil
    }

    private func error(_ lost: Int, _ asked: Int, _ what: String) -> IcecoreError {
        let answer =
            refused == 0
            ? "says that they are gone"
            : refused >= self.lost ? "refuses them" : "refuses them or says that they are gone"
        return IcecoreError(
            refused * 2 > self.lost ? .forbidden : .notFound,
            "for \(lost) of the \(asked) \(what) and were asked for so far, \(server) \(answer). Nothing of that was "
                + "recorded. Are the endpoint, the bucket and the credentials right, and is the inventory a recent one? If "
                + "so, --accept-gone goes on")
    }
}
