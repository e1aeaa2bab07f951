import GRDBSQLite
import Glibc

/// Reads an index file in larger pieces than SQLite does: when a page is first needed, the whole piece around it is
/// read, so that its neighbours are already in the page cache.
///
/// SQLite reads page by page. For scattered look-ups outside the page cache, each page costs one disk read; reading
/// sixteen takes only twice as long as reading one. The reads go through SQLite's own file: a separate descriptor
/// could never be closed, because POSIX would release SQLite's locks with it.
public enum ReadAround {
    /// The size of a piece.
    static let piece: Int64 = 64 << 10
    /// Pieces that are tracked; pages beyond them (64 GiB) are read one by one.
    private static let limit: Int64 = 1 << 20

    /// Replaces the methods that SQLite gave the file: the same except for two.
    private struct Context {
        var methods: sqlite3_io_methods
        var original: UnsafePointer<sqlite3_io_methods>
        /// One bit per piece: whether it was read.
        var known: UnsafeMutablePointer<UInt8>
        var buffer: UnsafeMutableRawPointer
    }

    /// Makes a connection read around from now on, if its SQLite allows that.
    public static func begin(_ connection: OpaquePointer) {
        var found: UnsafeMutableRawPointer?
        guard sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &found) == SQLITE_OK,
            let file = found?.assumingMemoryBound(to: sqlite3_file.self), let original = file.pointee.pMethods,
            let known = calloc(Int(limit / 8), 1)
        else { return }
        let context = UnsafeMutablePointer<Context>.allocate(capacity: 1)
        context.initialize(
            to: Context(
                methods: original.pointee, original: original, known: known.assumingMemoryBound(to: UInt8.self),
                buffer: .allocate(byteCount: Int(piece), alignment: 4096)))
        context.pointee.methods.xRead = { file, target, count, offset in
            guard let file, let context = ReadAround.context(file) else { return SQLITE_IOERR }
            let place = offset / ReadAround.piece
            if count >= 512, place < ReadAround.limit {
                let byte = Int(place >> 3)
                let bit = UInt8(1) << UInt8(place & 7)
                if context.pointee.known[byte] & bit == 0 {
                    context.pointee.known[byte] |= bit
                    // Only fills the page cache; at the end of the file the read is short.
                    _ = context.pointee.original.pointee.xRead(
                        file, context.pointee.buffer, Int32(ReadAround.piece),
                        place * ReadAround.piece)
                }
            }
            return context.pointee.original.pointee.xRead(file, target, count, offset)
        }
        context.pointee.methods.xClose = { file in
            guard let file, let context = ReadAround.context(file) else { return SQLITE_IOERR }
            file.pointee.pMethods = context.pointee.original
            let status = context.pointee.original.pointee.xClose(file)
            free(context.pointee.known)
            context.pointee.buffer.deallocate()
            context.deallocate()
            return status
        }
        file.pointee.pMethods = UnsafeRawPointer(context).assumingMemoryBound(to: sqlite3_io_methods.self)
    }

    private static func context(_ file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<Context>? {
        UnsafeMutableRawPointer(mutating: file.pointee.pMethods)?.assumingMemoryBound(to: Context.self)
    }
}
