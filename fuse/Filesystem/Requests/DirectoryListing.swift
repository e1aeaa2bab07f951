import CFuse3
import Glibc
import Glibc

/// One reply to READDIR or READDIRPLUS while it is being filled.
struct DirectoryListing {
    private let request: Request
    private let buffer: UnsafeMutablePointer<CChar>
    private let size: Int
    let isPlus: Bool
    /// With READDIRPLUS: whether it gives attributes, or (as the protocol allows) names and types only.
    var hasAttributes: Bool
    /// Whether it gives those of small files in any case.
    var knowsSmallFiles = false
    private var used = 0
    /// Where the last entry is in the buffer.
    private var last = -1

    /// Positions in a directory. Those of rows follow from their slots, so they are valid in every handle, forever.
    enum Position {
        static let start: Int64 = 0
        static let dot: Int64 = 1
        static let dotdot: Int64 = 2
        static let object: Int64 = 3
        /// Before the first row.
        static let rows: Int64 = 4

        /// After the row of a slot.
        static func after(_ slot: Int64) -> Int64 { slot + 16 }
        static func slot(_ position: Int64) -> Int64 { position - 16 }
        /// After the version (in a listing of `versions/`) of a slot.
        static let versions: Int64 = 1 << 40
        /// After everything.
        static let end: Int64 = 1 << 62
    }

    init(_ request: Request, _ buffer: UnsafeMutablePointer<CChar>, size: Int, isPlus: Bool) {
        self.request = request
        self.buffer = buffer
        self.size = size
        self.isPlus = isPlus
        hasAttributes = isPlus
    }

    /// Whether it gives the attributes of an entry.
    @inline(__always)
    func hasAttributes(_ entry: fuse_entry_param) -> Bool {
        hasAttributes
            || knowsSmallFiles && entry.attr.st_mode & S_IFMT == S_IFREG && entry.attr.st_size > 0
                && entry.attr.st_size <= NeighbourFeeder.largest
    }

    /// Adds an entry; false where there is no room left for it.
    ///
    /// - Parameters:
    ///   - name: ends with NUL.
    ///   - entry: its `ino` is 0 for what must not count as looked up (`.` and `..`).
    ///   - position: where the listing resumes after it.
    mutating func add(_ name: UnsafePointer<CChar>, _ entry: inout fuse_entry_param, _ position: Int64) -> Bool {
        if !hasAttributes(entry) { entry.ino = 0 }
        let needed: Int
        if isPlus {
            needed = fuse_add_direntry_plus(request, buffer + used, size - used, name, &entry, off_t(position))
        } else {
            needed = fuse_add_direntry(request, buffer + used, size - used, name, &entry.attr, off_t(position))
        }
        if needed > size - used { return false }
        last = used
        used += needed
        return true
    }

    /// Marks the last entry as the end of the directory, so that the next request for it need not look at the index.
    func markEnd() {
        guard last >= 0 else { return }
        // struct fuse_direntplus is a fuse_entry_out of 128 bytes, then a fuse_dirent: ino, off, …
        let offset = last + (isPlus ? 128 : 0) + 8
        UnsafeMutableRawPointer(buffer + offset).storeBytes(of: UInt64(Position.end), as: UInt64.self)
    }

    func reply() {
        fuse_reply_buf(request, buffer, used)
    }
}
