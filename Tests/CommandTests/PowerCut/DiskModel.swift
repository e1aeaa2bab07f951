import Basics
import Foundation
import Testbed

/// The files below a directory twice over: as the kernel shows them to programs, and as much of them as is on the disk for
/// certain. What is between the two, a power cut may leave out in any combination.
///
/// It promises no more than POSIX does: fsync and fdatasync of a file make its bytes and its size durable and *not* its name;
/// fsync of a directory makes the names in it durable, but not what they lead to; syncfs makes everything durable. (A
/// journal, as that of ext4, promises more, in some order; no file system promises less.)
final class DiskModel {
    /// A file or a directory, whatever its names are.
    final class Inode {
        let isDirectory: Bool
        var mode: mode_t
        /// The bytes of a file that are durable, and what was done to them since.
        var content: [UInt8] = []
        var writes: [Write] = []
        /// How long the file is for programs.
        var size = 0
        /// The names in a directory that are durable, and what was done to them since.
        var durable: [String: Inode] = [:]
        var changes: [NameChange] = []
        /// The names that programs see.
        var entries: [String: Inode] = [:]

        init(isDirectory: Bool, mode: mode_t) {
            self.isDirectory = isDirectory
            self.mode = mode
        }

        /// How long the file was before its writes and after each.
        var sizes: [Int] {
            var sizes = [content.count]
            for write in writes {
                switch write.kind {
                case .bytes(let bytes, let offset): sizes.append(max(sizes[sizes.count - 1], offset + bytes.count))
                case .size(let size): sizes.append(size)
                }
            }
            return sizes
        }

        /// Which of the writes cut the file short.
        var cuts: [Int] {
            let sizes = sizes
            return writes.indices.filter { sizes[$0 + 1] < sizes[$0] }
        }
    }

    struct Write {
        enum Kind {
            case bytes([UInt8], offset: Int)
            case size(Int)
        }
        var at: Int
        var kind: Kind
    }

    struct NameChange {
        var at: Int
        var name: String
        /// Nil: the name is taken away.
        var node: Inode?
    }

    /// The directory that the model knows something of: the names that were given to ``init(_:names:)``.
    let path: String
    let root: Inode
    private let names: Set<String>
    /// Counts what happens.
    private(set) var now = 0
    private var unsynchronized: [ObjectIdentifier: Inode] = [:]

    /// Takes what is there as durable.
    init(_ path: String, names: Set<String>) throws {
        self.path = path
        self.names = names
        root = Inode(isDirectory: true, mode: 0o755)
        var known: [UInt64: Inode] = [:]
        for name in names.sorted() where Files.exists("\(path)/\(name)") {
            root.durable[name] = try DiskModel.load("\(path)/\(name)", &known)
        }
        root.entries = root.durable
    }

    private init(_ other: DiskModel, root: Inode, _ copies: [ObjectIdentifier: Inode]) {
        path = other.path
        names = other.names
        self.root = root
        now = other.now
        for (id, _) in other.unsynchronized {
            // What has no name cannot be found again.
            if let copy = copies[id] { unsynchronized[ObjectIdentifier(copy)] = copy }
        }
    }

    private static func load(_ path: String, _ known: inout [UInt64: Inode]) throws -> Inode {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw TestbedError("'\(path)' is not there") }
        if let node = known[UInt64(status.st_ino)] { return node }
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        let node = Inode(isDirectory: isDirectory, mode: status.st_mode & 0o7777)
        if isDirectory {
            for name in try Files.names(in: path) { node.durable[name] = try load("\(path)/\(name)", &known) }
            node.entries = node.durable
        } else {
            known[UInt64(status.st_ino)] = node
            node.content = try Files.read(path, limit: 1 << 28)
            node.size = node.content.count
        }
        return node
    }

    /// A file from elsewhere that gets a name here.
    static func importing(_ path: String) throws -> Inode {
        var known: [UInt64: Inode] = [:]
        return try load(path, &known)
    }

    // MARK: - Names

    /// The directory and the name of a path; nil where the path is of no interest.
    func place(_ path: String) -> (directory: Inode, name: String)? {
        guard path.hasPrefix(self.path + "/") else { return nil }
        let components = path.dropFirst(self.path.count + 1).split(separator: "/").map(String.init)
        guard let first = components.first, let last = components.last, names.contains(first) else { return nil }
        var directory = root
        for component in components.dropLast() {
            guard let next = directory.entries[component], next.isDirectory else { return nil }
            directory = next
        }
        return (directory, last)
    }

    func node(_ path: String) -> Inode? {
        path == self.path ? root : place(path).flatMap { $0.directory.entries[$0.name] }
    }

    func setName(_ name: String, in directory: Inode, to node: Inode?) {
        directory.entries[name] = node
        directory.changes.append(NameChange(at: now, name: name, node: node))
        note(directory)
    }

    // MARK: - Bytes

    func write(_ bytes: [UInt8], to node: Inode, at offset: Int) {
        guard !bytes.isEmpty else { return }
        node.writes.append(Write(at: now, kind: .bytes(bytes, offset: offset)))
        node.size = max(node.size, offset + bytes.count)
        note(node)
    }

    func resize(_ node: Inode, to size: Int) {
        guard node.size != size else { return }
        node.writes.append(Write(at: now, kind: .size(size)))
        node.size = size
        note(node)
    }

    private func note(_ node: Inode) {
        unsynchronized[ObjectIdentifier(node)] = node
    }

    /// Something has happened: what comes next is later.
    func tick() {
        now += 1
    }

    // MARK: - What is durable

    /// When what is not durable yet was done.
    var pendingTimes: [Int] {
        unsynchronized.values.flatMap { $0.changes.map(\.at) + $0.writes.map(\.at) }.sorted()
    }

    /// Makes durable what a file or a directory was at some time.
    func synchronize(_ node: Inode, until time: Int) {
        let changes = node.changes.prefix { $0.at <= time }
        for change in changes { node.durable[change.name] = change.node }
        node.changes.removeFirst(changes.count)
        let writes = node.writes.prefix { $0.at <= time }
        for write in writes { write.apply(to: &node.content) }
        node.writes.removeFirst(writes.count)
        if node.changes.isEmpty, node.writes.isEmpty { unsynchronized[ObjectIdentifier(node)] = nil }
    }

    func synchronizeAll(until time: Int) {
        for node in Array(unsynchronized.values) { synchronize(node, until: time) }
    }
}

extension DiskModel {
    /// In which paths what programs see here is not what they see on another disk. SQLite's file of locks is written to in
    /// memory, and is no matter.
    func differences(from other: DiskModel) -> [String] {
        DiskModel.differences(root, other.root, "")
    }

    private static func differences(_ one: Inode?, _ other: Inode?, _ path: String) -> [String] {
        guard let one, let other, one.isDirectory == other.isDirectory else { return [path] }
        if !one.isDirectory { return one.seen.isSame(as: other.seen) ? [] : [path] }
        return Set(one.entries.keys).union(other.entries.keys).filter { !$0.hasSuffix("-shm") }.sorted().flatMap {
            differences(one.entries[$0], other.entries[$0], "\(path)/\($0)")
        }
    }
}

extension DiskModel.Inode {
    /// The bytes that programs see.
    fileprivate var seen: [UInt8] {
        var content = self.content
        for write in writes { write.apply(to: &content) }
        return content
    }
}

extension DiskModel.Write {
    /// - Parameter takes: which of its bytes, by their place in the file; a range of them at a time.
    func apply(to content: inout [UInt8], _ takes: (Range<Int>, (Range<Int>) -> Void) -> Void = { $1($0) }) {
        switch kind {
        case .size(let size):
            if size < content.count {
                content.removeLast(content.count - size)
            } else {
                content.append(contentsOf: repeatElement(0, count: size - content.count))
            }
        case .bytes(let bytes, let offset):
            let end = offset + bytes.count
            if content.count < end { content.append(contentsOf: repeatElement(0, count: end - content.count)) }
            content.withUnsafeMutableBytes { target in
                bytes.withUnsafeBytes { source in
                    takes(offset..<end) { range in
                        guard let to = target.baseAddress, let from = source.baseAddress else { return }
                        (to + range.lowerBound).copyMemory(
                            from: from + (range.lowerBound - offset), byteCount: range.count)
                    }
                }
            }
        }
    }
}

extension DiskModel {
    /// A model of the same disk that goes its own way.
    func copy() -> DiskModel {
        var copies: [ObjectIdentifier: Inode] = [:]
        return DiskModel(self, root: DiskModel.copy(root, &copies), copies)
    }

    private static func copy(_ node: Inode, _ copies: inout [ObjectIdentifier: Inode]) -> Inode {
        if let copy = copies[ObjectIdentifier(node)] { return copy }
        let copy = Inode(isDirectory: node.isDirectory, mode: node.mode)
        copies[ObjectIdentifier(node)] = copy
        copy.content = node.content
        copy.writes = node.writes
        copy.size = node.size
        copy.durable = node.durable.mapValues { self.copy($0, &copies) }
        copy.entries = node.entries.mapValues { self.copy($0, &copies) }
        copy.changes = node.changes.map { change in
            NameChange(at: change.at, name: change.name, node: change.node.map { self.copy($0, &copies) })
        }
        return copy
    }
}
