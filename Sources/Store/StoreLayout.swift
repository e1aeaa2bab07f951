/// Every name allowed in the directory of a store: the single list behind `init`, `verify`, the removal of leftovers
/// and the table in docs/FORMAT.md.
public enum StoreLayout {
    /// What a name is.
    public enum Kind: Sendable {
        /// Part of what the store keeps.
        case file, directory
        /// Belongs to a process, and means nothing once that has ended.
        case lock
        /// Records progress or events; may be deleted.
        case record
        /// Only in the cache of a replica read in place.
        case cache
        /// Made by the file system, in its root directory.
        case disk
    }

    public static let configuration = "icecore.json"
    public static let index = "index.sqlite"
    public static let blobs = "blobs"
    public static let packs = "packs"
    public static let blobFacts = "blobs.facts"
    public static let temporary = "tmp"
    public static let inventories = "inventories"
    public static let quarantine = "quarantine"
    public static let lock = "lock"
    public static let deletionLock = "push.lock"
    public static let replicas = "replicas"
    public static let restores = "restores"
    public static let verifyState = "verify.state"
    /// What the page of a server has summed up.
    public static let pageSums = "page.sums"
    /// See ``DiskReserve``.
    public static let reserve = "reserve"
    public static let mountLog = "mount.log"
    public static let mountDates = "mount.dates"
    /// The suffix of a mount's log that was rotated because it grew too long.
    public static let rotatedSuffix = ".old"

    /// All names.
    public static let names: [(name: String, kind: Kind)] = [
        (configuration, .file), (index, .file), ("\(index)-wal", .file), ("\(index)-shm", .record),
        ("\(index)-journal", .file),
        (blobFacts, .file),
        (blobs, .directory), (packs, .directory), (temporary, .directory), (inventories, .directory),
        (quarantine, .directory),
        (lock, .lock), (deletionLock, .lock), (replicas, .record), (restores, .record), (verifyState, .record),
        (pageSums, .record),
        (reserve, .record),
        (mountLog, .record),
        (mountLog + rotatedSuffix, .record), (mountDates, .record), ("refresh.lock", .cache), ("chunks", .cache),
        ("index.assembled", .cache), ("current.json", .cache), ("lost+found", .disk),
    ]

    /// Those that are written anew as a whole: into `<name>.<process id>.new`, which is then renamed.
    private static let replaced = [configuration, blobFacts, verifyState, pageSums, "current.json"]
    /// New databases, about to be renamed.
    private static let rebuilt = ["\(index).new", "index.assembled.new"]

    /// Whether a name belongs to a store: one of its own, or a replacement of one that a killed process left behind.
    public static func isOwn(_ name: String) -> Bool {
        names.contains { $0.name == name && $0.kind != .cache } || isLeftover(name)
    }

    /// Whether a name may exist where a store or a replica's cache is about to be created: an interrupted attempt may
    /// have left it.
    public static func mayPrecede(_ name: String) -> Bool {
        name != configuration && (names.contains { $0.name == name } || isLeftover(name))
    }

    /// Whether the holder of the store's lock may remove it: a process that has ended was writing it. A copy that somebody
    /// has made, such as `icecore.json.bak`, is not meant.
    public static func isLeftover(_ name: String) -> Bool {
        for base in rebuilt where name.hasPrefix(base) {
            if ["", "-wal", "-shm", "-journal"].contains(name.dropFirst(base.count)) { return true }
        }
        return replaced.contains { base in
            guard name.hasPrefix("\(base)."), name.hasSuffix(".new") else { return false }
            let number = name.utf8.dropFirst(base.utf8.count + 1).dropLast(4)
            return !number.isEmpty && number.allSatisfy { (48...57).contains($0) }
        }
    }
}
