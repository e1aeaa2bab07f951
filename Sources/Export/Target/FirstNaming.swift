import CLinux
import Glibc

/// How a target gives a file a name that nothing has: only so that it says if there is something after all. A look before
/// is not enough, for some file systems do not see with it what a name stands for.
enum FirstNaming {
    /// renameat2(2) that replaces nothing.
    case renameOnly
    /// A hard link.
    case link
    /// As well as it can be done, after a look.
    case rename

    static let temporaryName = Array(".icecore-part-2".utf8)

    /// Finds out what the target can do.
    init(of tree: TargetTree) throws {
        let (first, second) = (FileWriter.temporaryName, FirstNaming.temporaryName)
        self = .rename
        for way in [FirstNaming.renameOnly, .link] {
            try FileWriter.create(first, in: tree)
            try tree.remove(second)
            let number = way.name(first, second, in: tree.descriptor)
            try tree.remove(first)
            try tree.remove(second)
            if number == 0 {
                self = way
                return
            }
        }
    }

    /// Gives a file another name; an errno, EEXIST where something has that.
    func name(_ first: [UInt8], _ second: [UInt8], in directory: Int32) -> Int32 {
        withPath(first) { first in
            withPath(second) { second in
                switch self {
                case .renameOnly:
                    return renameat2(directory, first, directory, second, 1) == 0 ? 0 : errno  // RENAME_NOREPLACE
                case .link:
                    guard linkat(directory, first, directory, second, 0) == 0 else { return errno }
                    return unlinkat(directory, first, 0) == 0 ? 0 : errno
                case .rename: return renameat(directory, first, directory, second) == 0 ? 0 : errno
                }
            }
        }
    }
}
