import GRDBSQLite
import Glibc

/// Reads an index file in larger pieces than SQLite does: the first time that a page of a piece is wanted, the whole
/// piece is read, so that its neighbours are in the page cache when they are wanted.
///
/// SQLite reads page by page. Where somebody looks at names here and there that are not in the page cache, each page is
/// one read of the disk; a read of sixteen takes twice the time of a read of one. It is done through SQLite's own
/// file: a descriptor of ours could never be closed, because POSIX would take SQLite's locks with it.
public enum ReadAround {
    /// The size of a piece.
    static let piece: Int64 = 64 << 10
    /// Pieces that are known of; pages beyond them (64 GiB) are read one by one.
    private static let limit: Int64 = 1 << 20

    /// Stands in the place of the methods that SQLite gave the file: the same, but for two.
    private struct Context {
        var methods: sqlite3_io_methods
        var original: UnsafePointer<sqlite3_io_methods>
        /// One bit for each piece: whether it was read.
        var known: UnsafeMutablePointer<UInt8>
        var buffer: UnsafeMutableRawPointer
    }

    /// Makes a connection read around from now on, where its SQLite can be made to.
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
                    // Only for the page cache's sake; at the end of the file it reads less than it asks for.
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
