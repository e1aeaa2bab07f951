import Basics

/// The bucket's keys at one snapshot or at one instant.
public struct View: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// Exactly what one inventory marks latest.
        case snapshot(rank: Timeline.Rank)
        /// What was current at an instant, according to everything known.
        case instant(Timestamp)
    }

    public var kind: Kind
    /// The displayed name: the snapshot's, or the instant as RFC 3339.
    public var name: String
    /// takenAt of the snapshot, or the instant.
    public var time: Timestamp
    /// The snapshot's id, which identifies the view across commits; 0 for an instant.
    public var snapshotId: Int64

    /// The view of a snapshot.
    public init(snapshot point: Timeline.Point, timeline: Timeline) {
        kind = .snapshot(rank: timeline.rank(of: point.id))
        name = point.name
        time = point.takenAt
        snapshotId = point.id
    }

    /// The view of an instant.
    public init(instant: Timestamp) {
        kind = .instant(instant)
        name = instant.rfc3339
        time = instant
        snapshotId = 0
    }
}
