import Basics
import Blobs
import Glibc
import Index
import Model
import Store

/// Writes a view into a directory, with the names that a mount gives. Files that are already there are skipped, so an
/// interrupted export can be resumed.
///
/// A list in the target says what exports have written. It is complete before anything is: see ``ExportPlan``. While the
/// view is walked together with it, the next one is written.
public final class Export {
    let reader: IndexReader
    let view: View
    let store: Store
    let isDryRun: Bool
    let isDeleting: Bool
    private(set) var writer: FileWriter
    let report: (ExportEvent) throws -> Void
    let progress: (ExportOutcome) -> Void
    private var mark: ExportMark?
    /// Nil in a rehearsal without a target.
    private(set) var tree: TargetTree?
    /// What this export writes down; nil in a rehearsal.
    var list: ListWriter?
    var places: [ExportPlace] = []
    private(set) var tolerance = TimeTolerance()
    var outcome = ExportOutcome()
    /// Finds the contents of the store.
    let blobs: BlobFinder

    /// - Parameters:
    ///   - isDeleting: whether to remove what an earlier export wrote and the view does not show.
    ///   - report: called for each key that is not written, and for each file that is removed.
    ///   - progress: called often.
    public init(
        _ store: Store, _ reader: IndexReader, _ view: View, link: LinkKind, isDeleting: Bool, isDryRun: Bool,
        report: @escaping (ExportEvent) throws -> Void, progress: @escaping (ExportOutcome) -> Void
    ) {
        self.store = store
        blobs = BlobFinder(store.blobs)
        self.reader = reader
        self.view = view
        self.isDeleting = isDeleting
        self.isDryRun = isDryRun
        self.report = report
        self.progress = progress
        writer = FileWriter(kind: link)
    }

    /// - Parameter prefix: any start of keys; the files keep their full paths.
    /// - Throws: what keeps the whole of it from going on. What concerns single files is reported.
    public func run(to destination: String, prefix: [UInt8]) throws -> ExportOutcome {
        let listPath = "\(destination)/.icecore-export-list"
        let bucket = store.configuration.bucket
        tree = try TargetTree(destination, store: store.path, isDryRun: isDryRun)
        // Before anything is made there.
        if tree != nil { _ = try ListReader.open(listPath, bucket: bucket) }
        if let tree, !isDryRun {
            mark = try ExportMark(destination)
            tolerance = try TimeTolerance(of: tree)
            writer.naming = try FirstNaming(of: tree)
            try ExportPlan(listPath, in: destination, writer.kind).write(store, reader, view, prefix: prefix)
            list = try ListWriter(listPath, in: destination, bucket: bucket)
        }
        defer { cleanUp() }
        let known = tree == nil ? nil : try ListReader.open(listPath, bucket: bucket)
        let walk = try ExportWalk(reader, view, prefix: prefix, known)
        let offset = list?.offset ?? 0
        places = [
            ExportPlace(
                [], tree.map { $0.isNew ? .fresh : .old } ?? .absent, isShown: true, recorded: nil, listOffset: offset,
                namesOffset: offset)
        ]
        if let tree { try removeLeftovers(tree) }
        try go(along: walk)
        cleanUp()
        if let mark {
            try mark.synchronize()
            try list?.finish()
            try mark.remove()
            try tree?.setTime(timespec(milliseconds: view.time.milliseconds))
        }
        return outcome
    }

    /// Leaves all directories, and nothing of names in them, also after an error.
    private func cleanUp() {
        guard let tree else { return }
        while let place = places.popLast() {
            if place.claimed != nil { try? ClaimedNames.remove(from: tree) }
            if place.isThere, !places.isEmpty { try? tree.leave() }
        }
    }

    /// Whether existing files can be trusted.
    var trustsFiles: Bool { mark?.trustsFiles ?? true }

    func go(along walk: ExportWalk) throws {
        while let step = try walk.next() {
            switch step {
            case .enter: try enter(walk)
            case .file: try file(walk)
            case .leave: try leave(walk)
            }
        }
    }

    /// Removes what a kill has left in the current directory.
    func removeLeftovers(_ tree: TargetTree) throws {
        if isDryRun { return }
        try tree.remove(FileWriter.temporaryName)
        if places.count == 1 { try tree.remove(FirstNaming.temporaryName) }
        try ClaimedNames.remove(from: tree)
    }

    // MARK: Names

    /// Takes a name in the current directory for the current key, where names are claimed.
    func claim(_ fileName: [UInt8], in place: ExportPlace) throws -> Bool {
        guard let claimed = place.claimed else { return true }
        return try claimed.claim(fileName)
    }

    /// Begins to claim names, where the file system takes different ones for the same: first for all keys that have one.
    ///
    /// - Returns: whether names are claimed.
    func beginClaiming(in place: ExportPlace, _ tree: TargetTree) throws -> Bool {
        if place.claimed != nil { return true }
        guard !isDryRun, try place.folds(tree), let list else { return false }
        let claimed = try ClaimedNames(in: tree)
        place.claimed = claimed
        let names = try list.read(from: place.namesOffset)
        while let name = names.name {
            try Interruption.check()
            if !names.isAtAlias { _ = try claimed.claim(ListedName.fileName(name)) }
            try names.skip()
        }
        return true
    }

    /// Reports a key that the target cannot have.
    func leaveOut(_ key: [UInt8], _ reason: LeftOutReason, cause: String? = nil) throws {
        outcome.leftOut += 1
        try report(.leftOut(key: key, reason, cause: cause))
    }

    /// Whether the file system has put something under another name than the one that it was given: Windows drops points
    /// and spaces at the end.
    ///
    /// - Parameter before: what was found under the shorter name before; nil if there is no shorter name.
    func isShortened(_ name: [UInt8], _ before: TargetTree.FoundEntry?, _ tree: TargetTree) throws -> Bool {
        guard case .nothing = before, let short = Export.shortened(name) else { return false }
        if case .nothing = try tree.look(short) { return false }
        return true
    }

    /// A name without points and spaces at its end; nil if it has none.
    static func shortened(_ name: [UInt8]) -> [UInt8]? {
        let short = name.reversed().drop { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: " ") }.reversed()
        return short.count < name.count && !short.isEmpty ? Array(short) : nil
    }
}
