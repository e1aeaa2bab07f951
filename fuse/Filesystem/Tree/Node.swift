import Index

/// What a node id (also the inode number) stands for. Ids follow from the index alone, so they are the same in every
/// mount of it, and nothing has to remember which were given out.
///
///     bits 62…32  a directory's id
///     bits 31, 30 00: the row of that slot (a file; the same one in every view, so that the kernel shares its pages)
///                 10: the directory, in the view of that number
///                 01: under versions/, the directory of the key that the row of that slot belongs to
///     bits 29…0   a slot, or the number of a view
///
/// Ids below 2³² are none of these (no directory has the id 0): the root, and whatever exists without the index.
enum Node: Hashable {
    /// The root of a mount with `--history`.
    case historyRoot
    /// `README.txt` in it.
    case readme
    /// `at/`.
    case dates
    case directory(Int64, view: UInt32)
    /// A directory under `versions/`.
    case versions(Int64)
    /// Under `versions/`, the directory of a key that has no directory of its name.
    case key(directory: Int64, slot: Int64)
    /// One version of an object: the file of a row.
    case object(directory: Int64, slot: Int64)

    /// FUSE's own number of the root.
    static let rootId: UInt64 = 1
    static let readmeId: UInt64 = 2
    static let datesId: UInt64 = 3

    static let largestDirectory: Int64 = 1 << 31 - 1
    static let largestSlot: Int64 = 1 << 30 - 1

    @inline(__always)
    init?(_ id: UInt64, hasHistory: Bool) {
        let directory = Int64(id >> 32)
        let low = UInt32(truncatingIfNeeded: id)
        let rest = low & (1 << 30 - 1)
        if directory == 0 {
            switch id {
            case Node.rootId: self = hasHistory ? .historyRoot : .directory(IndexReader.root, view: ViewTable.own)
            case Node.readmeId where hasHistory: self = .readme
            case Node.datesId where hasHistory: self = .dates
            default: return nil
            }
        } else {
            switch low >> 30 {
            case 0: self = .object(directory: directory, slot: Int64(rest))
            case 1 where hasHistory: self = .key(directory: directory, slot: Int64(rest))
            case 2 where hasHistory:
                self = rest == ViewTable.versions ? .versions(directory) : .directory(directory, view: rest)
            // A mount of one view has that view only, and its root has one id.
            case 2 where rest == ViewTable.own && directory != IndexReader.root:
                self = .directory(directory, view: rest)
            default: return nil
            }
        }
    }

    /// The id of a row's file; nil where the numbers do not fit (a directory that gave out a billion slots).
    @inline(__always)
    static func objectId(_ directory: Int64, _ slot: Int64) -> UInt64? {
        guard directory <= largestDirectory, slot <= largestSlot, slot >= 0, directory > 0 else { return nil }
        return UInt64(directory) << 32 | UInt64(slot)
    }

    /// The id of a directory in a view.
    @inline(__always)
    static func directoryId(_ directory: Int64, _ view: UInt32) -> UInt64? {
        guard directory <= largestDirectory, directory > 0 else { return nil }
        return UInt64(directory) << 32 | 1 << 31 | UInt64(view)
    }

    /// The id of a view's directory in a mount: the root of a mount of one view is the mount's own.
    static func directoryId(_ directory: Int64, _ view: UInt32, hasHistory: Bool) -> UInt64? {
        directory == IndexReader.root && !hasHistory ? rootId : directoryId(directory, view)
    }

    /// The id of the directory of a key's versions.
    static func keyId(_ directory: Int64, _ slot: Int64) -> UInt64? {
        objectId(directory, slot).map { $0 | 1 << 30 }
    }
}
