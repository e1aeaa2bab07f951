import Basics

/// What all inventories together say about one key: rules 4 to 9 of docs/SEMANTICS.md, word for word.
///
/// Nothing here is clever or fast. Where a rule says "some inventory", all of them are looked at.
public struct KeyHistory: Sendable {
    /// What one inventory says about the key.
    public struct KeyListing: Sendable {
        /// T of the inventory.
        public var takenAt: Timestamp
        /// The versions that it lists.
        public var versions: Set<Version>
        /// The one that it marks latest.
        public var latest: Version?

        public init(takenAt: Timestamp, versions: Set<Version>, latest: Version?) {
            self.takenAt = takenAt
            self.versions = versions
            self.latest = latest
        }
    }

    /// One for every inventory, oldest first (by takenAt, then by name), whether it lists the key or not.
    public let listings: [KeyListing]

    /// Every version that any inventory lists.
    public let versions: Set<Version>

    /// The versions in the order in which they succeeded each other (rule 8).
    public private(set) var succession: [Version] = []

    /// What ``existence(of:)`` finds, kept because views ask for it again and again.
    private var existences: [Version: [Range<Timestamp>]] = [:]

    public init(_ listings: [KeyListing]) {
        self.listings = listings
        versions = listings.reduce(into: []) { $0.formUnion($1.versions) }
        succession = sortedBySuccession()
        for version in versions { existences[version] = existence(of: version) }
    }

    /// Rule 4: the maximal sequences of consecutive inventories that list the version.
    public func runs(of version: Version) -> [ClosedRange<Int>] {
        var runs: [ClosedRange<Int>] = []
        for (index, listing) in listings.enumerated() where listing.versions.contains(version) {
            if let run = runs.last, run.upperBound == index - 1 {
                runs[runs.count - 1] = run.lowerBound...index
            } else {
                runs.append(index...index)
            }
        }
        return runs
    }

    /// Rule 5: whether `loser` is overruled by `winner`: it has the same time or a later one, and yet the newest
    /// inventory that lists both and marks one of them latest marks `winner`.
    public func overrules(_ winner: Version, _ loser: Version) -> Bool {
        guard winner != loser, loser.lastModified >= winner.lastModified else { return false }
        let decisive = listings.last { listing in
            listing.versions.contains(winner) && listing.versions.contains(loser)
                && (listing.latest == winner || listing.latest == loser)
        }
        return decisive?.latest == winner
    }

    /// Rule 6: from when on the version counts.
    public func start(of version: Version) -> Timestamp {
        let overruled = versions.filter { overrules(version, $0) }
        let before = listings.prefix { !$0.versions.contains(version) }
        var start = version.lastModified
        for loser in overruled {
            start = max(start, loser.lastModified)
            for listing in before where listing.latest == loser {
                start = max(start, listing.takenAt)
            }
        }
        return start
    }

    /// Rule 7: when the version exists, as half-open intervals, oldest first; none of them is empty.
    public func existence(of version: Version) -> [Range<Timestamp>] {
        runs(of: version).enumerated().compactMap { number, run in
            let from = number == 0 ? start(of: version) : listings[run.lowerBound].takenAt
            let to = endOfExistence(after: run)
            return from < to ? from..<to : nil
        }
    }

    /// The end of existence that a run gives: when the next inventory was taken, or later, if what replaced the version
    /// is a row newer than that inventory.
    private func endOfExistence(after run: ClosedRange<Int>) -> Timestamp {
        guard run.upperBound + 1 < listings.count else { return .distantFuture }
        let next = listings[run.upperBound + 1]
        guard let successor = next.latest else { return next.takenAt }
        return max(next.takenAt, start(of: successor))
    }

    /// Rule 9: the last existing version in succession; nil if there is none or it is a marker.
    public func current(at instant: Timestamp) -> Version? {
        guard let last = last(at: instant), !last.isMarker else { return nil }
        return last
    }

    /// The last existing version in succession, a marker or not.
    func last(at instant: Timestamp) -> Version? {
        succession.last { version in
            existences[version, default: []].contains { $0.contains(instant) }
        }
    }

    /// Every instant at which the last existing version may be another than before.
    var changes: Set<Timestamp> {
        Set(existences.values.flatMap { $0.flatMap { [$0.lowerBound, $0.upperBound] } })
    }

    /// Rule 8. Overruling may go round in a circle; then the smallest of those in the circle comes first.
    private func sortedBySuccession() -> [Version] {
        var sorted: [Version] = []
        for (_, equals) in Dictionary(grouping: versions, by: start).sorted(by: { $0.key < $1.key }) {
            var remaining = equals.sorted(by: Self.comesFirst)
            while !remaining.isEmpty {
                let next = remaining.firstIndex { candidate in
                    !remaining.contains { overrules(candidate, $0) }
                }
                sorted.append(remaining.remove(at: next ?? 0))
            }
        }
        return sorted
    }

    /// What decides among versions that neither start nor rule 5 puts in order: objects before markers, version ids,
    /// and, so that there is always an order, ETags, times and sizes.
    private static func comesFirst(_ left: Version, _ right: Version) -> Bool {
        if left.isMarker != right.isMarker { return right.isMarker }
        if left.id != right.id { return left.id < right.id }
        if left.etag != right.etag { return left.etag < right.etag }
        if left.lastModified != right.lastModified { return left.lastModified < right.lastModified }
        return left.size < right.size
    }
}
