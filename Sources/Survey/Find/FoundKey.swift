import Basics
import Index
import Model

/// A key that a search has found.
public struct FoundKey: Sendable {
    public var key: [UInt8]
    /// The version that the view shows; of a deleted key, the one that was current last.
    public var identity: VersionIdentity
    public var flags: EntryRow.Flags
    /// The latest view does not show the key.
    public var isDeleted: Bool
    /// When the last object under the key ceased to be current; nil if that is not known, or it is not deleted.
    public var deletedAt: Timestamp?
}
