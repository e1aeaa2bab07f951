import CFuse3
import Glibc
import Synchronization

/// Kernel passthrough: the kernel reads a large file's blob itself, without asking the daemon.
///
/// The kernel has had it since Linux 6.9, libfuse since 3.17, later than many systems. So it is done below libfuse here,
/// with every version alike: hooks around its reads and writes of the device add to the answer to INIT what the library
/// leaves out, OPEN is answered with a message of our own, and the rest are two ioctls. Only a process with
/// CAP_SYS_ADMIN may do it, on a file system that is not itself stacked on another; where it cannot be done, files are
/// read through the daemon.
final class Passthrough: @unchecked Sendable {
    /// Smaller files are read through the daemon: a few requests cost less than to register a file.
    static let smallest: Int64 = 1 << 20

    /// After how many opens of small files it is asked what the mount is used for, and the share of large files (one in
    /// so many) from which on they count.
    private static let sample = 256
    private static let share = 64

    /// struct fuse_open_out.
    private struct OpenReply {
        var handle: UInt64
        var flags: UInt32
        var backing: Int32
    }
    private static let keepCache: UInt32 = 1 << 1
    private static let noFlush: UInt32 = 1 << 5
    private static let passthrough: UInt32 = 1 << 7

    /// A file that is open: all its handles are of one kind, or the kernel refuses.
    private struct Opened {
        /// The kernel's number of the blob; 0 if it is read through the daemon.
        var backing: Int32
        var count: Int
    }

    /// /dev/fuse, as the session has it open.
    var device: Int32 = -1
    /// INIT's number while it is not answered.
    private var initial: UInt64 = 0
    private let isDecided = Atomic<Bool>(false)
    private let agreed = Atomic<Bool>(false)
    private let possible = Atomic<Bool>(false)
    private struct Use {
        var opened: [UInt64: Opened] = [:]
        /// How many of those the kernel reads itself.
        var passed = 0
        /// Opens of small and of large files, halved now and then.
        var small = 0
        var large = 0
        /// The kernel was told not to ask any more.
        var isOver = false
    }
    private let use = Mutex(Use())

    /// Whether opens are to be answered here.
    var isPossible: Bool { possible.load(ordering: .acquiring) }
    /// How many files the kernel reads itself at the moment.
    var passed: Int { use.withLock(\.passed) }
    /// Whether the kernel was told not to ask about opens any more.
    var isOver: Bool { use.withLock(\.isOver) }

    // MARK: INIT

    /// Looks at what the kernel sent.
    @inline(__always)
    func received(_ message: UnsafeRawPointer, _ count: Int) {
        if isDecided.load(ordering: .relaxed) { return }
        // struct fuse_in_header: length, opcode, number, … (40 bytes); struct fuse_init_in: version, version, read-ahead,
        // flags, flags2.
        guard count >= 60, message.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == 26 else { return }
        let flags = message.loadUnaligned(fromByteOffset: 52, as: UInt32.self)
        let more = message.loadUnaligned(fromByteOffset: 56, as: UInt32.self)
        if flags & 1 << 30 != 0, more & 1 << 5 != 0 {
            initial = message.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        } else {
            isDecided.store(true, ordering: .relaxed)
        }
    }

    /// Sends an answer to the kernel; the one to INIT with passthrough added.
    @inline(__always)
    func send(_ descriptor: Int32, _ pieces: UnsafeMutablePointer<iovec>, _ count: Int32) -> Int {
        if isDecided.load(ordering: .relaxed) { return writev(descriptor, pieces, count) }
        return sendInitial(descriptor, pieces, count)
    }

    private func sendInitial(_ descriptor: Int32, _ pieces: UnsafeMutablePointer<iovec>, _ count: Int32) -> Int {
        // struct fuse_out_header: length, error, number; struct fuse_init_out: … flags at 12, … flags2 at 32, depth at 36.
        guard count == 2, initial != 0, let header = pieces[0].iov_base, pieces[0].iov_len == 16,
            header.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == initial,
            header.loadUnaligned(fromByteOffset: 4, as: Int32.self) == 0,
            let answer = pieces[1].iov_base, pieces[1].iov_len >= 40
        else { return writev(descriptor, pieces, count) }
        let flags = answer.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        let more = answer.loadUnaligned(fromByteOffset: 32, as: UInt32.self)
        answer.storeBytes(of: flags | 1 << 30, toByteOffset: 12, as: UInt32.self)
        answer.storeBytes(of: more | 1 << 5, toByteOffset: 32, as: UInt32.self)
        answer.storeBytes(of: 1, toByteOffset: 36, as: UInt32.self)
        let status = writev(descriptor, pieces, count)
        agreed.store(status > 0, ordering: .releasing)
        isDecided.store(true, ordering: .relaxed)
        return status
    }

    /// Finds out whether the kernel takes a file of the store, with the process as it is: after INIT.
    func tryOut(_ path: String) {
        guard agreed.load(ordering: .acquiring) else { return }
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let backing = icecore_backing_open(device, descriptor)
        if backing <= 0 { return }
        _ = icecore_backing_close(device, backing)
        possible.store(true, ordering: .releasing)
    }

    // MARK: Files

    /// Answers OPEN of a small file: with ENOSYS, which means "never ask again", once it is plain that this mount is
    /// used for small files.
    ///
    /// To be asked at every open of a small file costs several times what its content does, and for a large file it is
    /// worth a part of the time. The kernel takes ENOSYS for all files and for ever, so it must be sure, and it must not
    /// be said while a file is passed through: the kernel would refuse to open it a second time.
    func replySmall(_ request: Request) {
        let isOver = use.withLock { use in
            use.small += 1
            if use.small >= Passthrough.sample, use.passed == 0 {
                if use.large * Passthrough.share < use.small { use.isOver = true }
                use.small /= 2
                use.large /= 2
            }
            return use.isOver
        }
        if isOver {
            fuse_reply_err(request, ENOSYS)
            return
        }
        var reply = OpenReply(handle: 0, flags: Passthrough.keepCache | Passthrough.noFlush, backing: 0)
        fuse_reply_buf(request, &reply, MemoryLayout<OpenReply>.size)
    }

    /// Answers OPEN of a large file.
    ///
    /// - Parameter blob: opens the blob; its descriptor, or -1 where the daemon has to read it.
    func replyLarge(_ request: Request, _ node: UInt64, _ blob: () throws -> Int32) rethrows {
        let backing = try use.withLock { use in
            use.large += 1
            if let known = use.opened[node] {
                use.opened[node]?.count += 1
                return known.backing
            }
            let descriptor = use.isOver ? -1 : try blob()
            var backing: Int32 = 0
            if descriptor >= 0 {
                backing = max(0, icecore_backing_open(device, descriptor))
                close(descriptor)
            }
            use.opened[node] = Opened(backing: backing, count: 1)
            if backing != 0 { use.passed += 1 }
            return backing
        }
        let flags = backing == 0 ? Passthrough.keepCache : Passthrough.passthrough
        var reply = OpenReply(handle: 1, flags: flags | Passthrough.noFlush, backing: backing)
        // Nobody waits for it any more: there will be no RELEASE.
        if fuse_reply_buf(request, &reply, MemoryLayout<OpenReply>.size) != 0 { forget(node) }
    }

    /// A handle is gone.
    func release(_ node: UInt64, handle: UInt64) {
        if handle != 0 { forget(node) }
    }

    private func forget(_ node: UInt64) {
        let unused: Int32 = use.withLock { use in
            guard let known = use.opened[node] else { return 0 }
            if known.count > 1 {
                use.opened[node]?.count -= 1
                return 0
            }
            use.opened[node] = nil
            if known.backing != 0 { use.passed -= 1 }
            return known.backing
        }
        if unused != 0 { _ = icecore_backing_close(device, unused) }
    }
}
