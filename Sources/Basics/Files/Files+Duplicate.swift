import Glibc

extension Files {
    /// How a duplicate can share its bytes with the original.
    public enum Sharing: Sendable {
        /// The same blocks until one of the two is written to (a reflink).
        case clone
        /// The same file under a second name.
        case link
    }

    /// Makes a read-only duplicate of a file at a new path: the first way of sharing that the file system allows, else a copy.
    /// Its content is durable afterwards, its name is not.
    public static func duplicate(_ path: String, at copy: String, sharing ways: [Sharing]) throws {
        let source = try File.regular(path)
        for way in ways {
            switch way {
            case .link:
                if link(path, copy) == 0 { return try source.synchronize() }
            case .clone:
                let target = try File(copy, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
                if source.clone(to: target.descriptor) {
                    try target.synchronize()
                    return try target.close()
                }
                try Files.remove(copy)
            }
        }
        let target = try File(copy, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try Interruption.check()
            let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { break }
            try buffer.withUnsafeBytes { try target.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        try target.synchronize()
        try target.close()
    }
}
