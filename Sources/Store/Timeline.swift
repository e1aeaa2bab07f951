import Basics

/// The synced inventories in order (takenAt, then name). A *rank* is a place in that order; `Rank.max` is "for ever".
///
/// Rows name snapshots by id, which never changes; ranks are made afresh whenever the index is read, so that an
/// inventory synced late finds its place among the others without rewriting rows.
public struct Timeline: Sendable {
    public typealias Rank = Int32
    /// Ids count from 1: one beyond this is no id of a snapshot, but damage.
    public static let largestId: Int64 = 1 << 24

    /// What the order needs to know of one snapshot.
    public struct Point: Hashable, Sendable {
        public var id: Int64
        public var name: String
        public var takenAt: Timestamp

        public init(id: Int64, name: String, takenAt: Timestamp) {
            self.id = id
            self.name = name
            self.takenAt = takenAt
        }
    }

    /// In order; the index is the rank.
    public let points: [Point]
    /// The rank of each id (ids count from 1); -1 for an id that is no snapshot.
    private let ranks: [Rank]

    public init(_ points: [Point]) {
        self.points = points.sorted {
            // Names are ASCII; their bytes order them.
            ($0.takenAt, $0.name) < ($1.takenAt, $1.name)
        }
        var ranks = [Rank](repeating: -1, count: Int(points.map(\.id).max() ?? 0) + 1)
        for (rank, point) in self.points.enumerated() { ranks[Int(point.id)] = Rank(rank) }
        self.ranks = ranks
    }

    public var newest: Point? { points.last }

    /// The rank of a snapshot that a row names; an id that is none sorts after everything.
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
