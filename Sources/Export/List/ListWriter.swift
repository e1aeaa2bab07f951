import Basics
import Glibc

/// Writes an export's list: under another name, which it gives up for its own once it is whole and durable.
final class ListWriter {
    private let path: String
    private let directory: String
    private let temporary: String
    private let file: File
    private var buffer: [UInt8] = []
    private var written: Int64 = 0
    private var isFinished = false
    private static let bufferSize = 1 << 17

    /// Begins a list, instead of one that was not finished.
    ///
    /// - Parameters:
    ///   - directory: the target.
    ///   - bucket: whose list it is.
    init(_ path: String, in directory: String, bucket: String) throws {
        self.path = path
        self.directory = directory
        temporary = "\(path).part"
        try Files.remove(temporary)
        file = try File(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        buffer = ListReader.header + Array(bucket.utf8) + [0x0a]
    }

    deinit {
        if !isFinished { unlink(temporary) }
    }

    /// Where the next line begins.
    var offset: Int64 { written + Int64(buffer.count) }

    /// Adds what is known of a name. For a directory, what it holds follows, and ``end()``.
    func write(_ listed: ListedName) throws {
        if listed.isAlias { try writeAlias(listed.name) }
        for stamp in listed.stamps { try write(stamp, listed.name) }
        if let directory = listed.directory { try write(directory, listed.name) }
    }

    func writeAlias(_ name: [UInt8]) throws {
        buffer.append(UInt8(ascii: "A"))
        try finishLine(name)
    }

    func write(_ stamp: ListStamp, _ name: [UInt8]) throws {
        buffer += [UInt8(ascii: "F"), 0x20, stamp.certainty.rawValue]
        for number in [stamp.size, stamp.wanted, stamp.seconds, stamp.nanoseconds] {
            buffer.append(0x20)
            buffer += String(number).utf8
        }
        try finishLine(name)
    }

    func write(_ directory: ListedDirectory, _ name: [UInt8]) throws {
        buffer += [UInt8(ascii: "D"), 0x20, directory.certainty.rawValue, 0x20, directory.isMade ? 0x31 : 0x30]
        try finishLine(name)
    }

    /// Adds the end of a directory.
    func end() throws {
        buffer += [UInt8(ascii: "."), 0x0a]
        if buffer.count >= ListWriter.bufferSize { try flush() }
    }

    private func finishLine(_ name: [UInt8]) throws {
        buffer.append(0x20)
        for byte in name {
            switch byte {
            case 0x0a: buffer += Array("\\n".utf8)
            case 0: buffer += Array("\\0".utf8)
            case UInt8(ascii: "\\"): buffer += Array("\\\\".utf8)
            default: buffer.append(byte)
            }
        }
        buffer.append(0x0a)
        if buffer.count >= ListWriter.bufferSize { try flush() }
    }

    /// Takes back the lines from an offset on.
    func truncate(to offset: Int64) throws {
        if offset >= written {
            buffer.removeLast(Int(self.offset - offset))
            return
        }
        buffer.removeAll(keepingCapacity: true)
        let descriptor = file.descriptor
        try systemCall("cannot cut", temporary) { ftruncate(descriptor, off_t(offset)) }
        written = offset
    }

    /// A reader of what has been added from an offset on.
    func read(from offset: Int64) throws -> ListReader {
        try flush()
        return try ListReader.inside(temporary, from: offset, to: written)
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try file.write($0, at: written) }
        written += Int64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Ends the list, makes it durable, and puts it in the place of the one before.
    func finish() throws {
        try end()
        try flush()
        try TargetTree.synchronize(file)
        // Some file systems cannot rename onto a file.
        if rename(temporary, path) != 0 {
            guard errno == EEXIST || errno == EPERM else {
                throw IcecoreError.system("cannot rename '\(temporary)' to", path, errno: errno)
            }
            try Files.remove(path)
            try Files.rename(temporary, path)
        }
        isFinished = true
        try TargetTree.synchronize(File(directory, O_RDONLY | O_DIRECTORY))
    }
}
