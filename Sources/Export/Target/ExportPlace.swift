import Basics
import Glibc

/// What an export knows of the directory that it is in.
final class ExportPlace {
    enum State: Equatable {
        /// Made by this run: everything in it was put there by this run.
        case fresh
        case old
        /// There is no such directory, or (in a rehearsal) not yet.
        case absent
        /// There can be none.
        case leftOut(LeftOutReason)
    }

    /// As in a list.
    let name: [UInt8]
    let state: State
    /// The view shows it.
    let isShown: Bool
    /// Nil if it is not in the new list.
    let recorded: ListedDirectory?
    /// Where its own line begins in the new list, and where its names do.
    let listOffset: Int64
    let namesOffset: Int64
    /// Something in it was removed.
    var isChanged = false
    /// A directory was made in it.
    var hasNewDirectory = false
    /// Nil as long as nobody has taken one name for another here.
    var claimed: ClaimedNames?
    private var foldsNames: Bool?
    /// Of files that were put where there was nothing.
    private var newFiles: Set<NewFile> = []
    private var hasManyNewFiles = false

    private struct NewFile: Hashable {
        var size: Int64
        var seconds: Int
        var nanoseconds: Int

        init(_ status: stat) {
            (size, seconds, nanoseconds) = (Int64(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        }
    }

    init(
        _ name: [UInt8], _ state: State, isShown: Bool, recorded: ListedDirectory?, listOffset: Int64,
        namesOffset: Int64
    ) {
        (self.name, self.state, self.isShown, self.recorded) = (name, state, isShown, recorded)
        (self.listOffset, self.namesOffset) = (listOffset, namesOffset)
    }

    /// The directory is there.
    var isThere: Bool { state == .fresh || state == .old }

    /// Notes a file that was put where there was nothing.
    func add(_ status: stat) {
        guard state == .old, !hasManyNewFiles else { return }
        newFiles.insert(NewFile(status))
        // Then every file counts as one.
        if newFiles.count > 4096 { (hasManyNewFiles, newFiles) = (true, []) }
    }

    /// Whether a file could be one of those, under another name.
    func canBeNew(_ status: stat) -> Bool {
        hasManyNewFiles || newFiles.contains(NewFile(status))
    }

    /// Whether the file system takes different names for the same one here: seen by trying, once.
    func folds(_ tree: TargetTree) throws -> Bool {
        if let foldsNames { return foldsNames }
        let first = Array(".icecore-p\u{e4}rt".utf8)
        let folds =
            try ExportPlace.isSame(FileWriter.temporaryName, Array(".ICECORE-PART".utf8), in: tree)
            || ExportPlace.isSame(first, Array(".icecore-pa\u{308}rt".utf8), in: tree)
        foldsNames = folds
        return folds
    }

    /// Whether names are listed as they were given: some drivers list all of them in small letters.
    static func keepsSpelling(_ tree: TargetTree) throws -> Bool {
        let name = Array(".icecore-Part".utf8)
        try FileWriter.create(name, in: tree)
        let isListed = try tree.lists(name)
        try tree.remove(name)
        return isListed
    }

    private static func isSame(_ first: [UInt8], _ second: [UInt8], in tree: TargetTree) throws -> Bool {
        do {
            try FileWriter.create(first, in: tree)
        } catch let error as IcecoreError where TargetTree.isAboutName(error.errno) {
            return false
        }
        defer { withPath(first) { _ = unlinkat(tree.descriptor, $0, 0) } }
        let opened = withPath(second) {
            openat(tree.descriptor, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        guard opened >= 0 else { return errno == EEXIST }
        close(opened)
        try tree.remove(second)
        return false
    }
}
