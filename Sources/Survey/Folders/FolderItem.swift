import Basics
import Index
import Model

/// A name in a folder: of a key, or of a folder in it.
public struct FolderItem: Sendable {
    /// What the folder's prefix is followed by; with its `/` for a folder.
    public var name: [UInt8]
    public var isFolder: Bool
    /// What the view shows: nil for a folder, and for what it does not show.
    public var identity: VersionIdentity?
    public var flags: EntryRow.Flags = []
    /// The view shows it.
    public var isShown = false
    /// What the other view shows; nil as above.
    public var other: VersionIdentity?
    /// The other view shows it.
    public var isShownByOther = false
    /// The view does not show it, and has shown it before: the object that was current last, until the view's time.
    public var former: VersionIdentity?
    /// When the view's time was after that, the end of the last tenure before.
    public var deletedAt: Timestamp?

    init(name: [UInt8], isFolder: Bool) {
        self.name = name
        self.isFolder = isFolder
    }
}

/// Some of the names in a folder, and where the next ones begin.
public struct FolderPage: Sendable {
    public var items: [FolderItem] = []
    /// The name to go on with; nil at the end.
    public var next: [UInt8]?
}

/// What to show of a folder.
public struct FolderQuery: Sendable {
    /// Of the folder's keys, with its `/`; empty for the whole bucket.
    public var prefix: [UInt8]
    public var view: View
    /// What to compare with.
    public var other: View?
    /// Also what the view has shown before its time.
    public var showsDeleted = false
    /// The first name.
    public var from: [UInt8] = []
    /// The most names.
    public var count: Int

    public init(prefix: [UInt8], view: View, count: Int) {
        self.prefix = prefix
        self.view = view
        self.count = count
    }
}
