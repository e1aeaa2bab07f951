import Basics
import Model

/// What a view of a mount is, independently of the index's state.
enum ViewSource: Hashable, Sendable {
    /// The newest snapshot, whichever that is.
    case latest
    case snapshot(id: Int64)
    case instant(Timestamp)
    /// The tree of all versions.
    case versions

    init(_ view: View) {
        switch view.kind {
        case .snapshot: self = .snapshot(id: view.snapshotId)
        case .instant(let time): self = .instant(time)
        }
    }

    /// Whether a commit can change what it shows.
    var follows: Bool {
        if case .snapshot = self { return false }
        return true
    }

    /// The view that it is in a state of the index; nil if that has none, or none any longer.
    func view(in timeline: Timeline) -> View? {
        switch self {
        case .instant(let time): time < timeline.horizon ? nil : View(instant: time)
        case .latest, .versions: timeline.newest.map { View(snapshot: $0, timeline: timeline) }
        case .snapshot(let id):
            timeline.points.first { $0.id == id && !$0.isPruned }.map { View(snapshot: $0, timeline: timeline) }
        }
    }
}
