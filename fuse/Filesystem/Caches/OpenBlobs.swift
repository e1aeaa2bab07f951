import Basics
import Glibc
import Store

/// Blobs that stay open for files which somebody may have open, so that a prune, or the end of a cache's size, does not
/// take them away from a reader. The kernel does not tell who has a file open (see `fuse/README.md`), so these are the
/// files that were last read in more than one piece.
///
/// Asked only once a blob is no longer in the store: as long as it is, that one is read.
final class OpenBlobs: @unchecked Sendable {
    /// How long a file that nobody reads counts as open: the disk has its bytes back only afterwards.
    static let longestIdle: UInt64 = 10 * 60 * 1000

    private struct Open {
        var descriptor: Int32
        var size: Int64
        /// In milliseconds of the monotonic clock.
        var touched: UInt64
    }

    private let lock = Lock()
    private let limit: Int
    private var open: [UInt64: Open] = [:]

    /// - Parameter limit: the most blobs to keep; fewer where few files may be open.
    init(limit: Int = 256) {
        self.limit = max(0, min(limit, (limitOfOpenFiles() - 128) / 4))
    }

    deinit {
        for one in open.values { close(one.descriptor) }
    }

    /// A file is being read in pieces.
    ///
    /// - Parameter descriptor: of its blob; it stays the caller's.
    func note(_ node: UInt64, _ descriptor: Int32, size: Int64) {
        lock.withLock {
            let now = MonotonicClock.milliseconds()
            if open[node] != nil {
                open[node]?.touched = now
                return
            }
            if open.count >= limit {
                guard let oldest = open.min(by: { $0.value.touched < $1.value.touched }) else { return }
                close(oldest.value.descriptor)
                open[oldest.key] = nil
            }
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            if copy >= 0 { open[node] = Open(descriptor: copy, size: size, touched: now) }
        }
    }

    /// The blob of a file that is no longer in the store; nil if it was not kept. The caller closes it.
    func take(_ node: UInt64) -> (descriptor: Int32, size: Int64)? {
        lock.withLock {
            guard let known = open[node] else { return nil }
            guard !isDamaged(known.descriptor) else {
                close(known.descriptor)
                open[node] = nil
                return nil
            }
            open[node]?.touched = MonotonicClock.milliseconds()
            let copy = fcntl(known.descriptor, F_DUPFD_CLOEXEC, 0)
            return copy < 0 ? nil : (copy, known.size)
        }
    }

    /// Whether a blob that is no longer in the store was found damaged: a repair moves it aside. One that was removed may
    /// well have other names: exports make hard links.
    private func isDamaged(_ descriptor: Int32) -> Bool {
        // The kernel knows the name under which it was opened through moves, and after its removal.
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        var status = stat()
        // Without /proc, only what has no name at all is known to have been removed.
        guard length > 0 else { return fstat(descriptor, &status) != 0 || status.st_nlink > 0 }
        let path = buffer[..<length].map { UInt8(bitPattern: $0) }
        let folders = path.split(separator: UInt8(ascii: "/")).dropLast()
        return folders.last?.elementsEqual(StoreLayout.quarantine.utf8) ?? false
    }

    /// Closes those that nobody has read for long.
    func expire() {
        lock.withLock {
            let now = MonotonicClock.milliseconds()
            for (node, one) in open where one.touched + OpenBlobs.longestIdle < now {
                close(one.descriptor)
                open[node] = nil
            }
        }
    }
}
