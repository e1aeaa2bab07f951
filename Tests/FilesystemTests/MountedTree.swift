import Basics
import CFuse3
import Foundation
import Glibc
import Store
import Testing

@testable import Filesystem

/// A temporary directory with a store in it and mounts of that store, all gone at the end.
final class Scratch {
    let path: String
    private(set) var sessions: [Session] = []

    init() throws {
        var template = Array("/tmp/icecore-filesystem-XXXXXX".utf8CString)
        path = try template.withUnsafeMutableBufferPointer { buffer in
            let start = try #require(buffer.baseAddress)
            guard mkdtemp(start) != nil else { throw IcecoreError.system("cannot make", "", errno: errno) }
            return String(cString: start)
        }
    }

    deinit {
        for session in sessions { session.stop() }
        try? FileManager.default.removeItem(atPath: path)
    }

    func builder() throws -> IndexBuilder {
        try IndexBuilder("\(path)/store")
    }

    /// Mounts in this process; the mount point's path.
    func mount(
        _ store: Store, _ layout: MountOptions.Layout = .view(.latest), name: String = "mnt", passthrough: Bool = true
    ) throws -> String {
        let point = "\(path)/\(name)"
        try Files.createDirectory(point)
        var options = MountOptions(mountPoint: point)
        options.layout = layout
        options.passthrough = passthrough
        let (session, _) = try openSession(store, options, try MountLog(path: "\(path)/log"))
        sessions.append(session)
        try session.start()
        return point
    }

    /// Ends the last mount.
    func unmount() {
        sessions.popLast()?.stop()
    }

    var log: String {
        (try? String(contentsOfFile: "\(path)/log", encoding: .utf8)) ?? ""
    }
}

/// What a program sees of a path.
enum Seen {
    static func names(_ path: String) throws -> [String] {
        try rawNames(path).sorted()
    }

    /// As listed, without `.` and `..`.
    static func rawNames(_ path: String) throws -> [String] {
        guard let directory = opendir(path) else { throw IcecoreError.system("cannot list", path, errno: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func content(_ path: String) throws -> String {
        String(decoding: try Files.read(path, limit: 1 << 26), as: UTF8.self)
    }

    /// errno of an attempt to read; 0 if it succeeded.
    static func readError(_ path: String) -> Int32 {
        do {
            _ = try Files.read(path, limit: 1 << 26)
            return 0
        } catch { return (error as? IcecoreError)?.errno ?? -1 }
    }

    static func status(_ path: String) throws -> stat {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw IcecoreError.system("cannot stat", path, errno: errno) }
        return status
    }

    static func exists(_ path: String) -> Bool {
        Files.exists(path)
    }

    static func attribute(_ path: String, _ name: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = getxattr(path, "user.icecore.\(name)", &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// All paths below, directories with a `/` at the end.
    static func tree(_ root: String) throws -> [String] {
        var found: [String] = []
        func walk(_ path: String) throws {
            for name in try names(root + path) {
                let below = "\(path)/\(name)"
                if try status(root + below).st_mode & S_IFMT == S_IFDIR {
                    found.append(below + "/")
                    try walk(below)
                } else {
                    found.append(below)
                }
            }
        }
        try walk("")
        return found
    }
}
