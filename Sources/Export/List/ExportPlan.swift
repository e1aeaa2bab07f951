import Basics
import Glibc
import Index
import Model
import Store

/// Writes down what an export may leave behind, before it makes anything: adds all that a view shows to the list of the
/// target, durably, where it is not there already.
///
/// So a list always has everything that exports have written, however they ended.
struct ExportPlan {
    private let path: String
    private let directory: String
    private let kind: LinkKind
    /// A name that ever more interrupted exports meant to write keeps so many states.
    private static let stampLimit = 16

    init(_ path: String, in directory: String, _ kind: LinkKind) {
        (self.path, self.directory, self.kind) = (path, directory, kind)
    }

    func write(_ store: Store, _ reader: IndexReader, _ view: View, prefix: [UInt8]) throws {
        let known = try ListReader.open(path, bucket: store.configuration.bucket)
        let walk = try ExportWalk(reader, view, prefix: prefix, known)
        let list = try ListWriter(path, in: directory, bucket: store.configuration.bucket)
        var hasNews = known == nil
        var isRecorded: [Bool] = []
        var place = PlannedPath(root: try File(directory, O_RDONLY | O_DIRECTORY))
        while let step = try walk.next() {
            var listed = walk.listed ?? ListedName(name: walk.name)
            switch step {
            case .enter:
                place.enter(walk.name)
                if listed.directory?.certainty == .planned {
                    listed.directory?.certainty = .possible
                    hasNews = true
                }
                if walk.isShown, listed.directory == nil {
                    listed.directory = ListedDirectory(certainty: .planned, isMade: !place.isThere)
                    hasNews = true
                }
                isRecorded.append(listed.directory != nil)
                try list.write(listed)
            case .file:
                for index in listed.stamps.indices where listed.stamps[index].certainty == .planned {
                    listed.stamps[index].certainty = .possible
                    hasNews = true
                }
                if let item = walk.item, !listed.stamps.contains(where: { $0.isOf(item) }) {
                    listed.stamps += try stamps(item, store, reader)
                    listed.stamps = listed.stamps.suffix(ExportPlan.stampLimit)
                    hasNews = true
                }
                try list.write(listed)
            case .leave:
                place.leave()
                if isRecorded.popLast() == true { try list.end() }
            }
        }
        if hasNews { try list.finish() }
    }

    /// What a file can be like after the export.
    private func stamps(_ item: ShownItem, _ store: Store, _ reader: IndexReader) throws -> [ListStamp] {
        var times = [timespec(milliseconds: item.time.milliseconds)]
        var status = stat()
        // A hard link has the blob's time.
        if kind == .hard, let blob = try store.blob(etag: item.etag, size: item.size, reader)?.path,
            lstat(blob, &status) == 0
        {
            times.append(status.st_mtim)
        }
        return times.map { time in
            ListStamp(
                certainty: .planned, size: item.size, wanted: item.time.milliseconds, seconds: Int64(time.tv_sec),
                nanoseconds: Int64(time.tv_nsec))
        }
    }

    /// The path of the directory of a walk, as the target has it.
    private struct PlannedPath: ~Copyable {
        let root: File
        private var path: [UInt8] = []
        private var lengths: [Int] = []

        init(root: consuming File) {
            self.root = root
        }

        mutating func enter(_ name: [UInt8]) {
            lengths.append(path.count)
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path += ListedName.fileName(name)
        }

        mutating func leave() {
            if let length = lengths.popLast() { path.removeLast(path.count - length) }
        }

        /// For the record only: who makes the directory finds out again.
        var isThere: Bool {
            var status = stat()
            return withPath(path) { fstatat(root.descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) == 0 }
        }
    }
}
