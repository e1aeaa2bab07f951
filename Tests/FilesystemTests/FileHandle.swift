import Basics
import CFuse3
import Glibc

/// A file handle, as NFS servers keep them: it opens what it was made of without a path.
struct FileHandle {
    var type: Int32 = 0
    var bytes: [UInt8]

    /// Of what is at a path.
    init(_ path: String) throws {
        var count: UInt32 = 0
        bytes = [UInt8](repeating: 0, count: 128)
        guard icecore_handle_of(path, &type, &bytes, &count) == 0 else {
            throw IcecoreError.system("cannot make a handle of", path, errno: errno)
        }
        bytes.removeLast(bytes.count - Int(count))
    }

    /// The number of the node: the kernel writes it in two halves, then the generation.
    var node: UInt64 {
        get { UInt64(word(0)) << 32 | UInt64(word(1)) }
        set {
            setWord(0, UInt32(newValue >> 32))
            setWord(1, UInt32(truncatingIfNeeded: newValue))
        }
    }

    var generation: UInt32 {
        get { word(2) }
        set { setWord(2, newValue) }
    }

    private func word(_ place: Int) -> UInt32 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place * 4, as: UInt32.self) }
    }

    private mutating func setWord(_ place: Int, _ value: UInt32) {
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: place * 4, as: UInt32.self) }
    }

    /// What it opens on a mount: a descriptor to close, or errno.
    func open(on mount: String, _ flags: Int32 = O_RDONLY) throws -> Result<Int32, IcecoreError> {
        let root = try File(mount, O_RDONLY | O_DIRECTORY)
        let descriptor = icecore_open_handle(root.descriptor, type, bytes, UInt32(bytes.count), flags)
        return descriptor < 0 ? .failure(.system("cannot open", "a handle", errno: errno)) : .success(descriptor)
    }

    /// The errno of an attempt to open it; 0 if it succeeds.
    func error(on mount: String) throws -> Int32 {
        switch try open(on: mount) {
        case .success(let descriptor):
            close(descriptor)
            return 0
        case .failure(let error): return error.errno
        }
    }

    /// What a file holds that it opens.
    func content(on mount: String) throws -> String {
        let descriptor = try open(on: mount).get()
        defer { close(descriptor) }
        return try Seen.content("/proc/self/fd/\(descriptor)")
    }

    /// The names in a directory that it opens.
    func names(on mount: String) throws -> [String] {
        let descriptor = try open(on: mount, O_RDONLY | O_DIRECTORY).get()
        defer { close(descriptor) }
        return try Seen.names("/proc/self/fd/\(descriptor)")
    }

    /// The path of what it opens, as the kernel knows it then.
    func path(on mount: String) throws -> String {
        let descriptor = try open(on: mount).get()
        defer { close(descriptor) }
        guard let path = realpath("/proc/self/fd/\(descriptor)", nil) else {
            throw IcecoreError.system("cannot resolve", "a handle", errno: errno)
        }
        defer { free(path) }
        return String(cString: path)
    }
}
