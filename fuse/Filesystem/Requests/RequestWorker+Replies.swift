import CFuse3
import Glibc

extension RequestWorker {
    @inline(__always)
    func fail(_ request: Request, _ number: Int32) {
        fuse_reply_err(request, number)
    }

    /// Replies to LOOKUP that there is no such name.
    func replyNone(_ request: Request, _ timeout: Double) {
        var entry = fuse_entry_param()
        entry.entry_timeout = timeout
        fuse_reply_entry(request, &entry)
    }

    /// Replies to LOOKUP with a file.
    func reply(_ request: Request, _ record: borrowing RowRecord, _ timeout: Double) {
        var entry = fuse_entry_param()
        entry.ino = record.node
        entry.generation = record.generation
        fill(&entry.attr, record)
        entry.attr_timeout = FileSystem.forever
        entry.entry_timeout = timeout
        fuse_reply_entry(request, &entry)
    }

    /// Replies to LOOKUP with a directory.
    func reply(_ request: Request, directory node: UInt64, _ current: CurrentView) {
        var entry = entry(directory: node, current)
        entry.attr_timeout = files.directoryTimeout(node, current.source)
        fuse_reply_entry(request, &entry)
    }

    /// Replies to GETXATTR or LISTXATTR.
    ///
    /// - Parameter size: of the caller's buffer; 0: it asks for the size.
    func reply(_ request: Request, attribute value: [UInt8], _ size: Int) {
        if size == 0 {
            fuse_reply_xattr(request, value.count)
        } else if value.count > size {
            fail(request, ERANGE)
        } else {
            value.withUnsafeBytes { bytes in
                _ = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
        }
    }
}
