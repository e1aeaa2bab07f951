import Basics
import Index
import Model

/// How what is below a folder differs between two views.
public struct FolderChange: Sendable, Hashable {
    /// What the older and the newer view show.
    public var old = FolderSum()
    public var new = FolderSum()
    /// What only the newer one shows, what only the older one does.
    public var added = FolderSum()
    public var removed = FolderSum()
    /// Keys of which they show different versions; bytes are those of the newer ones.
    public var modified = FolderSum()

    public init() {}

    /// The keys that differ.
    public var count: Int64 { added.keys.addingClamped(removed.keys).addingClamped(modified.keys) }

    /// Counts one key, of which each view shows a version or nothing.
    public mutating func add(key before: VersionIdentity?, _ now: VersionIdentity?) {
        if let before { old.add(before.size) }
        if let now { new.add(now.size) }
        if before == now { return }
        if let now {
            if before == nil { added.add(now.size) } else { modified.add(now.size) }
        } else if let before {
            removed.add(before.size)
        }
    }

    public mutating func add(_ other: FolderChange) {
        old.add(other.old)
        new.add(other.new)
        added.add(other.added)
        removed.add(other.removed)
        modified.add(other.modified)
    }
}

/// A folder in which something differs, and what of it is told apart.
public struct ChangedFolder: Sendable {
    /// With its `/`.
    public var prefix: [UInt8]
    public var change: FolderChange
    /// In byte order: what differs among the keys that are in it, but not in a folder in it.
    public var keys: [Difference] = []
    public var folders: [ChangedFolder] = []

    init(_ prefix: [UInt8]) {
        self.prefix = prefix
        change = FolderChange()
    }
}
