import Basics
import CFuse3
import Download
import Glibc
import Store
import Synchronization

/// A bucket as a file system: what all threads of one mount share.
final class FileSystem: @unchecked Sendable {
    let store: Store
    let hasHistory: Bool
    /// The store is the cache of a replica.
    let isCache: Bool
    let views: ViewTable
    let log: MountLog
    let distrusted: DistrustedFiles
    /// Fetches contents that are not in the store; nil: never ask the network.
    let fetcher: ContentFetcher?
    /// Whom files and directories belong to.
    let owner: (user: uid_t, group: gid_t)
    /// The permissions that modes may have.
    let mask: mode_t
    /// Where the mount is.
    let mountPoint: String
    let dateReconnector = DateReconnector()
    let rows = RowCache()
    let resumePoints = ResumePoints()
    let openBlobs = OpenBlobs()
    let knownDirectories = KnownDirectories()
    let habits = Mutex(ThreadHabits())
    let passthrough = Passthrough()
    /// Whether the store has packs, so that it is worth something if the kernel knows files before they are read.
    let hasPacks: Bool
    /// Of a mount with packs; set before any request.
    nonisolated(unsafe) var feeder: NeighbourFeeder?
    /// Whether large files are to be passed through where possible.
    let wantsPassthrough: Bool

    /// Counts the states of the index that were seen: a thread that reads an older one changes to the newest.
    let generation = Atomic<Int>(1)
    /// Counts the files that the index was: that of a cache is made anew if somebody has removed it.
    let openings = Atomic<Int>(0)
    /// Counts the changes of the set of snapshots. In views that can change while their time does not, it becomes the
    /// nanoseconds of directories' times, so that the kernel sees the change.
    let knowledge = Atomic<Int>(0)

    /// What the kernel can do; written once, by INIT, before any other request.
    struct Kernel: Sendable {
        /// ENOSYS from open and opendir means "never ask again".
        var skipsOpen = false
        var skipsOpendir = false
        /// One notification makes it look up all names again (FUSE 7.44, Linux 6.16).
        var hasEpochs = false
    }
    private let kernelState = Mutex<(kernel: Kernel, isReady: Bool)>((Kernel(), false))
    private(set) nonisolated(unsafe) var kernel = Kernel()

    /// The most bytes that one READ asks for; libfuse's buffers allow no more.
    static let largestRead = 1 << 20
    /// Forever, as far as the kernel is concerned.
    static let forever: Double = 10 * 365 * 86400
    /// Where the kernel is not told of a change.
    static let shortly: Double = 1
    /// How long the age in `at/3d` is counted from the same moment.
    static let ageTimeout: Double = 60

    init(
        store: Store, own: ViewSource, _ options: MountOptions, log: MountLog, fetcher: ContentFetcher? = nil,
        distrusted: DistrustedFiles = DistrustedFiles()
    ) {
        wantsPassthrough = options.passthrough && geteuid() == 0
        mountPoint = options.mountPoint
        self.store = store
        self.fetcher = fetcher
        self.distrusted = distrusted
        isCache = options.refresh != nil
        hasHistory = options.layout == .history
        self.log = log
        hasPacks = store.configuration.packBelow != nil || ((try? store.packs.current()) ?? nil) != nil
        views = ViewTable(
            own: own, record: hasHistory ? NamedDates(path: "\(store.path)/\(StoreLayout.mountDates)") : nil)
        owner = (options.owner ?? getuid(), options.group ?? getgid())
        mask = ~options.umask
    }

    // MARK: INIT

    /// Answers the kernel's first message.
    func start(_ connection: UnsafeMutablePointer<fuse_conn_info>) {
        var kernel = Kernel()
        let capable = connection.pointee.capable
        kernel.skipsOpen = capable & UInt32(FUSE_CAP_NO_OPEN_SUPPORT) != 0
        kernel.skipsOpendir = capable & UInt32(FUSE_CAP_NO_OPENDIR_SUPPORT) != 0
        kernel.hasEpochs = connection.pointee.proto_major == 7 && connection.pointee.proto_minor >= 44
        let wanted =
            FUSE_CAP_ASYNC_READ | FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_AUTO_INVAL_DATA
            | FUSE_CAP_EXPORT_SUPPORT | (hasPacks ? 0 : FUSE_CAP_READDIRPLUS_AUTO)
        connection.pointee.want = capable & UInt32(wanted)
        if wantsPassthrough { connection.pointee.want |= passthrough.agree(capable) }
        connection.pointee.max_read = UInt32(FileSystem.largestRead)
        connection.pointee.max_readahead = UInt32(FileSystem.largestRead)
        connection.pointee.max_background = 64
        connection.pointee.congestion_threshold = 48
        self.kernel = kernel
        kernelState.withLock { $0 = (kernel, true) }
    }

    /// Whether INIT was answered.
    var isReady: Bool { kernelState.withLock(\.isReady) }

    // MARK: Time-outs

    /// How long the kernel may keep a name in a view, or its absence.
    func entryTimeout(_ source: ViewSource) -> Double {
        source.follows && !kernel.hasEpochs ? FileSystem.shortly : FileSystem.forever
    }

    /// How long the kernel may keep the attributes of a directory, and its listing with them.
    func directoryTimeout(_ node: UInt64, _ source: ViewSource) -> Double {
        if !source.follows { return FileSystem.forever }
        return kernel.hasEpochs && knownDirectories.insert(node) ? FileSystem.forever : FileSystem.shortly
    }
}
