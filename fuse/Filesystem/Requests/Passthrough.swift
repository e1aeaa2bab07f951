import CFuse3
import Glibc
import Synchronization

/// Kernel passthrough: the kernel reads a large file's blob itself, without asking the daemon.
///
/// Linux has had it since 6.9, libfuse since 3.17, which many systems lack. So with older libraries hooks below libfuse
/// add passthrough to the answer to INIT (see ``begin(_:)``); all else is the kernel's own interface, the same with every
/// library: a reply to OPEN and two ioctls. Only a process with CAP_SYS_ADMIN can do it, on a file system that is not
/// itself stacked on another; elsewhere the daemon reads the files.
final class Passthrough: @unchecked Sendable {
    /// Smaller files are read through the daemon: a few requests cost less than to register a file.
    static let smallest: Int64 = 1 << 20

    /// After how many opens of small files to decide what the mount is used for, and from which share of large files
    /// (one in this many) these matter.
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

    /// An open file. All its handles must be of one kind, or the kernel refuses them.
    private struct BackedFile {
        /// The kernel's number of the blob; 0 if it is read through the daemon.
        var backing: Int32
        var count: Int
    }

    /// /dev/fuse, as the session has it open.
    var device: Int32 = -1
    /// INIT's number until it is answered: for the hooks.
    var initial: UInt64 = 0
    /// Whether the hooks have done their work.
    let isDecided = Atomic<Bool>(false)
    /// Whether INIT was answered with passthrough.
    let agreed = Atomic<Bool>(false)
    private let possible = Atomic<Bool>(false)
    private struct Use {
        var opened: [UInt64: BackedFile] = [:]
        /// How many of them the kernel reads itself.
        var passed = 0
        /// Opens of small and of large files, halved now and then.
        var small = 0
        var large = 0
        /// The kernel was told not to ask about opens any more.
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

    /// Agrees with the kernel by libfuse's own means, from 3.17 on: as part of the answer to INIT.
    ///
    /// - Returns: the flag to want; 0 if the kernel or the library does not know passthrough.
    func agree(_ capable: UInt32) -> UInt32 {
        let flag = capable & icecore_capability_passthrough
        // By default, a blob must not be on a file system that is itself stacked, as the hooks have it.
        if flag != 0 { agreed.store(true, ordering: .releasing) }
        return flag
    }

    /// Finds out, once INIT is done, whether the kernel accepts a file of the store from this process.
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
    /// An OPEN costs several times what the content of a small file does; for a large file it saves part of the time. To
    /// the kernel ENOSYS holds for all files, forever, so it is given only when certain, and not while a file is passed
    /// through: the kernel would refuse to open that file a second time.
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
    /// - Parameter blob: opens the blob; returns its descriptor, or -1 if the daemon has to read it.
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
            use.opened[node] = BackedFile(backing: backing, count: 1)
            if backing != 0 { use.passed += 1 }
            return backing
        }
        let flags = backing == 0 ? Passthrough.keepCache : Passthrough.passthrough
        var reply = OpenReply(handle: 1, flags: flags | Passthrough.noFlush, backing: backing)
        // The caller is gone, so there will be no RELEASE.
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
