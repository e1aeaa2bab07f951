import Glibc

/// A process that holds a lock on a file, as far as this machine's kernel tells.
public struct LockHolder: Sendable, CustomStringConvertible {
    public let process: Int32
    /// Its command line, in one line for messages; empty if it cannot be read.
    public let command: String

    public var description: String {
        command.isEmpty ? "process \(process)" : "'\(command)' (process \(process))"
    }

    /// The process that holds a lock of flock(2) on a file; nil where that is this process, or one that cannot be seen
    /// from here: on another machine, or in another container.
    public static func of(_ file: borrowing File) -> LockHolder? {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { return nil }
        return find(status, "FLOCK")
    }

    /// The process that holds a write lock of fcntl(2) on some part of a file, likewise.
    public static func ofRecord(_ path: String) -> LockHolder? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return find(status, "POSIX", "WRITE")
    }

    private static func find(_ status: stat, _ kind: String, _ mode: String? = nil) -> LockHolder? {
        guard let text = try? Files.read("/proc/locks", limit: 1 << 24) else { return nil }
        var found: Int32?
        for line in text.split(separator: UInt8(ascii: "\n")) {
            // 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF; one that waits has '->' after its number.
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count >= 6, fields[1] == kind, mode.map({ fields[3] == $0 }) ?? true,
                let process = Int32(fields[4]), process > 0, process != getpid()
            else { continue }
            let place = fields[5].split(separator: ":")
            guard place.count == 3, UInt64(place[2]) == UInt64(status.st_ino) else { continue }
            // Some file systems give their files other device numbers than their locks: the inode must do then.
            let device = UInt64(status.st_dev)
            let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00)
            if UInt64(place[0], radix: 16) == major, UInt64(place[1], radix: 16) == minor {
                return LockHolder(process: process)
            }
            if found == nil { found = process }
        }
        return found.map(LockHolder.init(process:))
    }

    private init(process: Int32) {
        self.process = process
        let bytes = (try? Files.read("/proc/\(process)/cmdline", limit: 1 << 16)) ?? []
        var words = bytes.split(separator: 0).map { Display.text($0, limit: 100) }
        if let program = words.first { words[0] = String(program.split(separator: "/").last ?? "") }
        command = Display.text(words.joined(separator: " "), limit: 120)
    }
}
