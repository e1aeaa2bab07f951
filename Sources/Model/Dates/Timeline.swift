import Basics

/// The synced inventories in order (takenAt, then name). A *rank* is a place in that order; `Rank.max` is "for ever".
///
/// Rows name snapshots by id, which never changes; ranks are computed whenever the index is read, so that an
/// inventory synced late takes its place among the others without rows being rewritten.
public struct Timeline: Sendable {
    public typealias Rank = Int32
    /// Ids count from 1: a larger one is not a snapshot's, but damage.
    public static let largestId: Int64 = 1 << 24

    /// What determines a snapshot's place in the order.
    public struct Point: Hashable, Sendable {
        public var id: Int64
        public var name: String
        public var takenAt: Timestamp
        /// A prune has dropped it: it can no longer be opened, but rows still refer to it.
        public var isPruned: Bool

        public init(id: Int64, name: String, takenAt: Timestamp, isPruned: Bool = false) {
            self.id = id
            self.name = name
            self.takenAt = takenAt
            self.isPruned = isPruned
        }
    }

    /// The instant since which a prune has kept everything below a prefix of keys.
    public struct Horizon: Hashable, Sendable {
        /// Empty for the whole store. Otherwise only contents were dropped.
        public var prefix: [UInt8]
        public var time: Timestamp

        public init(prefix: [UInt8], time: Timestamp) {
            self.prefix = prefix
            self.time = time
        }
    }

    /// In order: the array index is the rank.
    public let points: [Point]
    /// The horizons that prunes have set.
    public let horizons: [Horizon]
    /// No earlier instant can be opened: a prune has dropped versions that were current only before this one.
    public let horizon: Timestamp
    /// The rank of each id (ids count from 1); -1 if no snapshot has the id.
    private let ranks: [Rank]

    public init(_ points: [Point], horizons: [Horizon] = []) {
        self.horizons = horizons
        horizon = horizons.filter(\.prefix.isEmpty).map(\.time).max() ?? .distantPast
        self.points = points.sorted {
            // Names are ASCII; their bytes order them.
            ($0.takenAt, $0.name) < ($1.takenAt, $1.name)
        }
        var ranks = [Rank](repeating: -1, count: Int(points.map(\.id).max() ?? 0) + 1)
        for (rank, point) in self.points.enumerated() { ranks[Int(point.id)] = Rank(rank) }
        self.ranks = ranks
    }

    public var newest: Point? { points.last }

    /// The snapshots that can be opened, in order.
    public var kept: [Point] { points.filter { !$0.isPruned } }

    /// The time since which no prune has dropped the content of a current version of a key.
    package func horizon(of key: @autoclosure () -> [UInt8]) -> Timestamp {
        guard horizons.count > 1 || horizon == .distantPast, !horizons.isEmpty else { return horizon }
        let key = key()
        return horizons.filter { key.starts(with: $0.prefix) }.map(\.time).max() ?? .distantPast
    }

    /// The rank of a snapshot that a row names; an unknown id sorts after everything.
    @inline(__always)
    public func rank(of id: Int64) -> Rank {
        guard id > 0, id < ranks.count else { return .max }
        let rank = ranks[Int(id)]
        return rank < 0 ? .max : rank
    }

    /// The id at a rank; 0 (in rows: NULL) for `Rank.max`.
    public func id(at rank: Rank) -> Int64 {
        rank == .max ? 0 : points[Int(rank)].id
    }
}

extension Timeline {
    /// Whether the interval of snapshots (ids as in rows) contains the rank.
    @inline(__always)
    package func covers(_ from: Int64, _ to: Int64, _ rank: Rank) -> Bool {
        from != 0 && self.rank(of: from) <= rank && (to == 0 || rank < self.rank(of: to))
    }

    /// The interval of snapshots as ranks; nil if it is empty.
    package func interval(_ from: Int64, _ to: Int64) -> RankInterval? {
        // An unknown id sorts after all snapshots: an interval that begins there is empty.
        guard from != 0, rank(of: from) != .max else { return nil }
        return RankInterval(rank(of: from), to == 0 ? .max : rank(of: to))
    }
}

/// Snapshots that follow each other, by rank.
public typealias RankInterval = Interval<Timeline.Rank>
