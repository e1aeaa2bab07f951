import Basics
import CFuse3
import Foundation
import ReferenceModel
import Testbed

/// What a program sees of a mount: walked directory by directory, as paths may be longer than the kernel takes.
struct SeenTree {
    struct SeenFile: Equatable {
        var size: Int64
        /// Of the modification, in seconds and nanoseconds.
        var seconds: Int
        var nanoseconds: Int
        var mode: UInt32
        var content: [UInt8]
        /// What stands behind `user.icecore.`.
        var attributes: [String: [UInt8]]

        var key: ByteString? { attributes["key"].map { ByteString($0) } }
        var text: String { String(decoding: content, as: UTF8.self) }
    }

    /// By path, without a leading slash.
    var files: [ByteString: SeenFile] = [:]
    /// Directories with the key of the object whose attributes they carry, if there is one.
    var directories: [ByteString: ByteString?] = [:]

    init(_ root: String) throws {
        let descriptor = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestbedError("cannot open \(root): \(errno)") }
        directories[""] = .some(SeenTree.attributes(descriptor)["key"].map { ByteString($0) })
        try walk(descriptor, "", depth: 0)
    }

    /// Closes the descriptor.
    private mutating func walk(_ descriptor: Int32, _ path: ByteString, depth: Int) throws {
        defer { close(descriptor) }
        for name in try SeenTree.names(descriptor) {
            let below = path.isEmpty ? name : path + "/" + name
            let child = SeenTree.openBelow(descriptor, name)
            guard child >= 0 else { throw TestbedError("cannot open \(below): \(String(cString: strerror(errno)))") }
            var status = stat()
            guard fstat(child, &status) == 0 else { throw TestbedError("cannot examine \(below): \(errno)") }
            if status.st_mode & S_IFMT == S_IFDIR {
                directories[below] = .some(SeenTree.attributes(child)["key"].map { ByteString($0) })
                try walk(child, below, depth: depth + 1)
            } else {
                defer { close(child) }
                files[below] = SeenFile(
                    size: Int64(status.st_size), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec,
                    mode: status.st_mode, content: try SeenTree.content(child, below),
                    attributes: SeenTree.attributes(child))
            }
        }
    }

    private static func openBelow(_ directory: Int32, _ name: ByteString) -> Int32 {
        (name.bytes + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                bytes.baseAddress.map { openat(directory, $0, O_RDONLY | O_CLOEXEC) } ?? -1
            }
        }
    }

    private static func names(_ descriptor: Int32) throws -> [ByteString] {
        guard let directory = fdopendir(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) else {
            throw TestbedError("cannot list: \(errno)")
        }
        defer { closedir(directory) }
        var names: [ByteString] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { ByteString(Array($0.prefix { $0 != 0 })) }
            if name != ".", name != ".." { names.append(name) }
        }
        guard Set(names).count == names.count else { throw TestbedError("a directory lists a name twice: \(names)") }
        return names
    }

    private static func content(_ descriptor: Int32, _ path: ByteString) throws -> [UInt8] {
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 { throw TestbedError("cannot read \(path): \(String(cString: strerror(errno)))") }
            if count == 0 { return content }
            content += buffer[..<count]
        }
    }

    private static func attributes(_ descriptor: Int32) -> [String: [UInt8]] {
        var list = [UInt8](repeating: 0, count: 4096)
        let count = list.withUnsafeMutableBytes { bytes in
            flistxattr(descriptor, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard count > 0 else { return [:] }
        var attributes: [String: [UInt8]] = [:]
        for name in list[..<count].split(separator: 0).map({ String(decoding: $0, as: UTF8.self) }) {
            var value = [UInt8](repeating: 0, count: 4096)
            let length = fgetxattr(descriptor, name, &value, value.count)
            if length >= 0, name.hasPrefix("user.icecore.") {
                attributes[String(name.dropFirst(13))] = Array(value[..<length])
            }
        }
        return attributes
    }
}
