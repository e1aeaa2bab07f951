import Basics
import Glibc
import Model

/// `blobs.facts`: what the ETags of contents do not say, kept beside the blobs so that it survives the index.
///
/// A text of lines that only grows, and is replaced as a whole now and then. Each line counts on its own: a digest at its
/// end tells whether it is whole, whatever a power cut has left of the lines around it. Of two lines for one content,
/// the later one counts. Whoever writes holds flock(2) on the file, and looks whether it still has its name.
public struct FactFile: Sendable {
    public let path: String
    private static let firstLine = "icecore-facts 1\n"
    private static let title = "icecore-facts "
    private static let newline = UInt8(ascii: "\n")

    /// What a file consists of.
    public struct Lines: Sendable {
        /// Lines that are facts.
        public var facts: Int64 = 0
        /// Lines that are not, but for one without an end.
        public var damaged: Int64 = 0
        /// Whether the last line has no end, as a kill or a power cut can leave it.
        public var isTorn = false
    }

    public init(path: String) {
        self.path = path
    }

    /// Whether there is one.
    public var exists: Bool { Files.exists(path) }

    // MARK: - Reading

    /// Passes all facts to `body`, in the order in which they were written.
    ///
    /// - Returns: nil if there is no file.
    /// - Throws: `unsupported` if a newer program wrote it.
    @discardableResult
    public func read(_ body: (BlobFact) throws -> Void) throws -> Lines? {
        guard exists else { return nil }
        let file = try open(O_RDONLY)
        try refuseNewer(file)
        var summary = Lines()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var (line, isFirst, isTooLong): ([UInt8], Bool, Bool) = ([], true, false)
        func end() throws {
            defer {
                line.removeAll(keepingCapacity: true)
                (isFirst, isTooLong) = (false, false)
            }
            // An empty line parts what comes from what a kill or a power cut had left unfinished.
            if line.isEmpty || isFirst && line + [FactFile.newline] == Array(FactFile.firstLine.utf8) { return }
            guard !isTooLong, let fact = BlobFact(line: line[...]) else {
                summary.damaged += 1
                return
            }
            summary.facts += 1
            if summary.facts & 0xFFF == 0 { try Interruption.check() }
            try body(fact)
        }
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 {
                summary.isTorn = !line.isEmpty
                return summary
            }
            var rest = buffer[..<count]
            while let place = rest.firstIndex(of: FactFile.newline) {
                line += rest[..<place]
                rest = rest[(place + 1)...]
                try end()
            }
            if line.count + rest.count > BlobFact.longestLine {
                isTooLong = true
                line = [0]
            } else {
                line += rest
            }
        }
    }

    // MARK: - Writing

    /// Adds facts, durably.
    ///
    /// - Returns: false if there is no file: nothing was done.
    public func append(_ facts: [BlobFact]) throws -> Bool {
        guard let file = try own() else { return false }
        try refuseNewer(file)
        var text: [UInt8] = []
        let size = try file.size()
        if size > 0 {
            var last: [UInt8] = [0]
            try last.withUnsafeMutableBytes { try file.read(into: $0, at: size - 1) }
            // What was left unfinished must not become one line with what comes.
            if last != [FactFile.newline] { text.append(FactFile.newline) }
        } else {
            text += Array(FactFile.firstLine.utf8)
        }
        for fact in facts { text += fact.line }
        try text.withUnsafeBytes { try file.write($0) }
        try file.synchronize()
        return true
    }

    /// Makes the file, durably, unless there is one.
    ///
    /// - Parameter facts: passes what is to be in it to its argument.
    /// - Returns: whether this made it.
    public func create(_ facts: (_ add: (BlobFact) throws -> Void) throws -> Void) throws -> Bool {
        for attempt in 0... {
            if exists { return false }
            let new = try write(facts)
            defer { unlink(new) }
            var naming = FileNaming()
            let parent = Files.directory(of: path)
            let code = naming.move(new, to: path, in: try File(parent, O_RDONLY | O_DIRECTORY))
            if code == EEXIST { return false }
            if code == 0 {
                try Files.synchronizeDirectory(parent)
                return true
            }
            // The holder of the store's lock may have taken it for what a killed process left.
            guard code == ENOENT, attempt < 3 else { throw IcecoreError.system("cannot create", path, errno: code) }
        }
        return false
    }

    /// Replaces the file durably: after a crash there is the old one or the new one. Others that want to write wait.
    ///
    /// - Parameter facts: passes what is to be in it to its argument.
    public func replace(_ facts: (_ add: (BlobFact) throws -> Void) throws -> Void) throws {
        guard let old = try own() else {
            if try !create(facts) { try replace(facts) }
            return
        }
        try refuseNewer(old)
        let new = try write(facts)
        do {
            try Files.rename(new, path)
        } catch {
            unlink(new)
            throw error
        }
        try Files.synchronizeDirectory(Files.directory(of: path))
    }

    /// Writes a file that has yet to get its name.
    private func write(_ facts: (_ add: (BlobFact) throws -> Void) throws -> Void) throws -> String {
        let temporary = "\(path).\(getpid()).new"
        do {
            let file = try File(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
            var text = Array(FactFile.firstLine.utf8)
            try facts { fact in
                text += fact.line
                guard text.count > 1 << 18 else { return }
                try Interruption.check()
                try text.withUnsafeBytes { try file.write($0) }
                text.removeAll(keepingCapacity: true)
            }
            try text.withUnsafeBytes { try file.write($0) }
            try file.synchronize()
            try file.close()
        } catch {
            unlink(temporary)
            throw error
        }
        return temporary
    }

    /// The file, locked; nil if there is none.
    private func own() throws -> File? {
        for _ in 0..<1000 {
            guard exists else { return nil }
            let file = try open(O_RDWR | O_APPEND)
            try FileLock.exclusive.acquire(file, to: "write '\(path)'", pause: 10_000)
            // It may have been replaced meanwhile.
            var (mine, named) = (stat(), stat())
            if fstat(file.descriptor, &mine) == 0, lstat(path, &named) == 0, mine.st_ino == named.st_ino,
                mine.st_dev == named.st_dev
            {
                return file
            }
        }
        throw IcecoreError(.busy, "others keep replacing '\(path)'")
    }

    private func open(_ flags: Int32) throws -> File {
        guard Files.size(path) != nil || !exists else {
            throw IcecoreError(.damaged, "'\(path)' is not a regular file: move it away")
        }
        // Without O_NONBLOCK a FIFO would block.
        return try File(path, flags | O_NOFOLLOW | O_NONBLOCK)
    }

    /// Refuses a file whose lines may mean something else. A damaged first line says nothing of the others.
    private func refuseNewer(_ file: borrowing File) throws {
        var beginning = [UInt8](repeating: 0, count: Int(min(64, try file.size())))
        try beginning.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        let line = String(decoding: beginning.prefix { $0 != FactFile.newline }, as: UTF8.self)
        if line.hasPrefix(FactFile.title), let version = Int(line.dropFirst(FactFile.title.count)), version > 1 {
            throw IcecoreError(
                .unsupported, "'\(path)' was written by a newer icecore (version \(version)): use that one")
        }
    }
}
