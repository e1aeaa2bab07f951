import Basics
import Model

/// Stops a download whose source denies most of what it is asked for: then more likely the server, the bucket or the
/// credentials are wrong than the inventory.
package struct FetchBrake {
    private let acceptsLosses: Bool
    private let server: String
    /// How many latest objects are to be asked for.
    private let latest: Int
    package private(set) var denials = Denials()

    /// What the source has denied.
    package struct Denials: Codable, Sendable {
        /// How many objects were asked for, and denied; and those among them that the inventory marks latest. Versions that
        /// have been replaced do expire.
        fileprivate var asked = 0
        fileprivate var lost = 0
        fileprivate var askedLatest = 0
        fileprivate var lostLatest = 0
        fileprivate var refused = 0
        /// The first of these answers, as the server put it: it may name the cause.
        fileprivate var example: String?

        package init() {}

        var isPlausible: Bool {
            [asked, lost, askedLatest, lostLatest, refused].allSatisfy { 0...1 << 40 ~= $0 }
        }
    }

    /// At most so many latest objects, and so many of all, may be denied in any case: small numbers say little.
    private static let mostLatest = 10
    private static let most = 100
    /// From so many denials of latest objects on, the end is not waited for.
    private static let early = 100

    /// - Parameters:
    ///   - latest: how many objects are to be asked for that the inventory marks latest, and that were not denied before.
    ///   - server: what to call the source in messages.
    package init(acceptsLosses: Bool, latest: Int, server: String) {
        self.acceptsLosses = acceptsLosses
        self.latest = latest
        self.server = server
    }

    /// An object has arrived, and with it the contents of some others.
    ///
    /// - Parameter others: how many, and how many of them are latest.
    mutating func arrived(_ want: FetchRequest, and others: (all: Int, latest: Int) = (0, 0)) {
        denials.asked += 1 + others.all
        denials.askedLatest += (want.isLatest ? 1 : 0) + others.latest
    }

    /// An object has not come.
    ///
    /// - Parameter reason: as the server put it.
    mutating func lost(_ want: FetchRequest, _ failure: FetchFailure, reason: String) {
        if want.wasDenied { return }
        denials.asked += 1
        if want.isLatest { denials.askedLatest += 1 }
        guard failure.isLoss else { return }
        denials.lost += 1
        // A refusal says more than that something is gone.
        if denials.example == nil || failure == .refused && denials.refused == 0 {
            denials.example = "\(Display.text(want.key)): \(reason)"
        }
        if want.isLatest { denials.lostLatest += 1 }
        if failure == .refused { denials.refused += 1 }
    }

    /// Takes what another download, of other contents, was denied.
    package mutating func add(_ other: Denials) {
        denials.asked += other.asked
        denials.lost += other.lost
        denials.askedLatest += other.askedLatest
        denials.lostLatest += other.lostLatest
        denials.refused += other.refused
        denials.example = denials.example ?? other.example
    }

    /// Why the source should not be believed; nil: it should, as far as is known.
    ///
    /// - Parameter isAtEnd: everything has been asked for.
    package func error(isAtEnd: Bool) -> IcecoreError? {
        if acceptsLosses { return nil }
        let (lost, asked) = (denials.lost, denials.asked)
        let (lostLatest, askedLatest) = (denials.lostLatest, denials.askedLatest)
        // Before the end, only what can no longer change counts.
        if isAtEnd
            ? lostLatest > FetchBrake.mostLatest && lostLatest * 2 > askedLatest
            : lostLatest > FetchBrake.early && lostLatest * 2 > latest
        {
            return error(lostLatest, askedLatest, "objects that the inventory lists as the latest")
        }
        if isAtEnd, lost > FetchBrake.most, lost * 2 > asked { return error(lost, asked, "objects") }
        return nil
    }

    private func error(_ lost: Int, _ asked: Int, _ what: String) -> IcecoreError {
        let answer =
            denials.refused == 0
            ? "says that they are gone"
            : denials.refused >= denials.lost ? "refuses them" : "refuses them or says that they are gone"
        return IcecoreError(
            denials.refused * 2 > denials.lost ? .forbidden : .notFound,
            "for \(lost) of the \(asked) \(what) and were asked for so far, \(server) \(answer)"
                + "\(denials.example.map { " (\($0))" } ?? ""). Nothing of that was recorded. Are the endpoint, the bucket and the credentials right, and is the inventory a recent one? If "
                + "so, --accept-gone goes on")
    }
}
