import Basics
import CFuse3
import Download
import Glibc

/// A READ of a content that is not in the store, on its way through the fetcher, which answers it from its own thread.
final class AbsentRead: ContentReader, @unchecked Sendable {
    // Threads may use a request's handle one after the other.
    private let request: Request
    let range: Range<Int64>
    /// The inode.
    let file: UInt64
    private let log: MountLog
    private let name: String

    /// - Parameter name: of the content, in messages.
    init(_ request: Request, _ range: Range<Int64>, of file: UInt64, log: MountLog, name: String) {
        self.request = request
        self.file = file
        self.range = range
        self.log = log
        self.name = name
    }

    var hasLeft: Bool { fuse_req_interrupted(request) != 0 }

    func answer(_ bytes: UnsafeRawBufferPointer) {
        fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }

    func fail(_ error: IcecoreError) {
        if hasLeft {
            fuse_reply_err(request, EINTR)
        } else {
            // EINTR would make the reader ask again: forever, while the mount is being unmounted.
            log.write("cannot fetch the content of \(name): \(error)")
            fuse_reply_err(request, error.code == .noSpace ? ENOSPC : EIO)
        }
    }
}
