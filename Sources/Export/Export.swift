import Basics
import Glibc
import Index
import Model
import Store

/// Writes a view into a directory, with the names that a mount gives. Files that are already there are skipped, so an
/// interrupted export can be resumed.
public final class Export {
    private let store: Store
    private let reader: IndexReader
    private let view: View
    private let isDryRun: Bool
    private let writer: FileWriter
    private let report: ([UInt8], MissingReason) throws -> Void
    private let progress: (ExportOutcome) -> Void
    private var tree: TargetTree?
    private var trustsTimes = true
    private var outcome = ExportOutcome()

    /// - Parameters:
    ///   - report: called for each key whose content is not in the store.
    ///   - progress: called often.
    public init(
        _ store: Store, _ reader: IndexReader, _ view: View, link: LinkKind, isDryRun: Bool,
        report: @escaping ([UInt8], MissingReason) throws -> Void, progress: @escaping (ExportOutcome) -> Void
    ) {
        self.store = store
        self.reader = reader
        self.view = view
        self.isDryRun = isDryRun
        self.report = report
        self.progress = progress
        writer = FileWriter(kind: link)
    }

    /// - Parameter prefix: any start of keys; the files keep their full paths.
    public func run(to destination: String, prefix: [UInt8]) throws -> ExportOutcome {
        let mark = ExportMark(destination)
        if !isDryRun {
            tree = try TargetTree(destination, store: store.path)
            trustsTimes = try mark.begin()
        }
        let (parent, beginning) = Key.split(prefix)
        if let directory = try reader.directory(prefix: parent) {
            try exportBeginning(directory, path: Array(parent), beginning: Array(beginning))
        }
        if !isDryRun { try mark.end() }
        try setTime()
        return outcome
    }

    /// Descends to the directory that a prefix names, if the view shows anything there.
    private func exportBeginning(_ directory: Int64, path: [UInt8], beginning: [UInt8]) throws {
        var isEmpty = true
        try reader.list(prefix: path + beginning, recursive: false, view) { _ in
            isEmpty = false
            return false
        }
        if isEmpty { return }
        let names = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropLast()
        for name in names { try tree?.enter(Naming.fileName(Array(name))) }
        try export(TreeWalk(reader, directory, path: path, beginning: beginning))
        for _ in names { try leave() }
    }

    private func leave() throws {
        try setTime()
        try tree?.leave()
    }

    /// A directory has the time of the view, as in a mount; set once nothing more is put into it.
    private func setTime() throws {
        guard let tree else { return }
        let time = timespec(milliseconds: view.time.milliseconds)
        let times = [time, time]
        try systemCall("cannot set the time of", tree.describe([])) { futimens(tree.descriptor, times) }
    }

    /// Exports what the directory of a walk shows, and everything below it.
    private func export(_ walk: TreeWalk) throws {
        try removeLeftover()
        while let stop = try walk.next() {
            guard stop == .row else {
                if walk.depth > 0 { try leave() }
                continue
            }
            let row = walk.row
            guard view.shows(row, reader.timeline) else { continue }
            try Interruption.check()
            let name = Array(row.name)
            if row.isDirectory {
                if walk.hasVisitedDirectory { continue }
                try tree?.enter(Naming.fileName(Array(name.dropLast())))
                try walk.descend()
                try removeLeftover()
            } else if !name.isEmpty || row.size > 0 || walk.directory == IndexReader.root {
                // The zero-size key 'a/' only makes the directory.
                try export(name, row, below: walk)
            }
        }
    }

    /// Removes what a kill has left in the directory.
    private func removeLeftover() throws {
        if let tree { withPath(FileWriter.temporaryName) { _ = unlinkat(tree.descriptor, $0, 0) } }
    }

    private func export(_ name: [UInt8], _ row: borrowing EntryRow, below walk: TreeWalk) throws {
        guard let etag = row.contentETag(prefix: walk.path) else { return }
        let (size, time) = (row.size, timespec(milliseconds: row.lastModified.milliseconds))
        let flags = row.flags
        guard let blob = try store.blob(etag: etag, size: size, reader) else {
            outcome.missing += 1
            return try report(
                walk.path + name,
                flags.contains(.pruned)
                    ? .pruned : flags.contains(.gone) ? .gone : flags.contains(.archived) ? .archived : .notHere)
        }
        outcome.files += 1
        outcome.bytes = outcome.bytes.addingClamped(size)
        progress(outcome)
        guard let tree else { return }
        // If the view shows a directory of the same name, the object is put inside it.
        let isTwin = try (name + [UInt8(ascii: "/")]).withUnsafeBytes {
            try reader.find($0, in: walk.directory, view) != nil
        }
        if isTwin { try tree.enter(Naming.fileName(name)) }
        let fileName = isTwin ? Array(".icecore-object".utf8) : Naming.fileName(name)
        let place = tree.describe(fileName)
        let source = try File(blob, O_RDONLY | O_NOFOLLOW)
        var status = stat()
        let descriptor = source.descriptor
        try systemCall("cannot examine", blob) { fstat(descriptor, &status) }
        if trustsTimes,
            writer.isThere(fileName, in: tree.descriptor, size: size, time: time, blob: status)
        {
            outcome.skipped += 1
        } else {
            switch try writer.write(
                fileName, in: tree.descriptor, from: source, size: size, time: time, place: place)
            {
            case .linked: outcome.linked += 1
            case .cloned: outcome.cloned += 1
            case .copied: outcome.copied += 1
            }
        }
        if isTwin { try leave() }
    }
}

extension timespec {
    fileprivate init(milliseconds: Int64) {
        // Rounded towards −∞.
        let seconds = milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        self.init(tv_sec: Int(seconds), tv_nsec: Int(milliseconds - seconds * 1000) * 1_000_000)
    }
}
