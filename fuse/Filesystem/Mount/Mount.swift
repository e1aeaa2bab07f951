import Basics
import CFuse3
import Download
import Glibc
import S3
import Store

/// Mounts a view of a store, or its whole history.
///
/// Returns when the mount can be used; from then on a daemon serves it, which keeps none of the caller's descriptors and
/// writes errors to `mount.log` in the store. With `foreground` it returns when the mount is gone. Either way SIGTERM,
/// SIGINT and SIGHUP to the serving process unmount it, and so does `fusermount3 -u`.
///
/// Call it before the process has other threads or an open index: the daemon is a fork of it.
///
/// - Throws: the obstacle, in one sentence.
public func mount(store: Store, options: MountOptions) throws {
    var options = options
    try MountPoint.checkMachine(options)
    options.mountPoint = try MountPoint.check(options, storePath: store.path)
    if options.foreground {
        let log = MountLog(descriptor: dup(STDERR_FILENO))
        try serve(store, options, log) { mounted in
            options.whenMounted(mounted)
            ServiceManager.notify("READY=1\nSTATUS=mounted \(mounted.shows)")
        }
        ServiceManager.notify("STOPPING=1")
    } else {
        let shows = try Daemon.start { report in
            let (log, lacks) = try openLog("\(store.path)/\(StoreLayout.mountLog)")
            LockWait.hear { log.write($0) }
            try serve(store, options, log) { mounted in
                log.write("mounted \(mounted.shows) of \(store.configuration.bucket) on \(mounted.mountPoint)")
                report(mounted.shows + (lacks.map { " (\($0): errors are not logged)" } ?? ""))
            }
            log.write("unmounted \(options.mountPoint)")
        }
        options.whenMounted(Mounted(mountPoint: options.mountPoint, shows: shows))
    }
}

/// A store on a read-only medium, or another user's, can still be mounted: without a log.
///
/// - Returns: the log, and why nothing is logged; nil if it is.
private func openLog(_ path: String) throws -> (MountLog, String?) {
    let opened = Result { try MountLog(path: path) }
    guard case .failure(let error as IcecoreError) = opened, [EROFS, EACCES, EPERM].contains(error.errno) else {
        return (try opened.get(), nil)
    }
    let nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)
    return (MountLog(descriptor: nowhere), error.message)
}

/// Mounts, reports it, and serves until the mount is gone or a signal comes.
private func serve(
    _ store: Store, _ options: MountOptions, _ log: MountLog, _ whenMounted: (Mounted) -> Void
) throws {
    raiseLimitOfOpenFiles()
    // Before any thread starts, so that all of them leave the signals to this one.
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    defer { pthread_sigmask(SIG_UNBLOCK, &signals, nil) }

    // The arenas of threads grow page by page, one system call each; the main arena in larger steps.
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_TOP_PAD, 1 << 20)
    let (session, shows) = try openSession(store, options, log)
    do {
        try session.start()
    } catch {
        session.stop()
        throw error
    }
    if let (seconds, call) = options.refresh { Refresher(seconds, call, log).start() }
    whenMounted(Mounted(mountPoint: options.mountPoint, shows: shows))
    var ended = pollfd(fd: session.ended, events: Int16(POLLIN), revents: 0)
    var noTime = timespec()
    // A blocked signal interrupts nothing, so look for it between short waits.
    while poll(&ended, 1, 200) == 0, sigtimedwait(&signals, nil, &noTime) < 0 {}
    session.stop()
}

/// Calls something at an interval, until the process ends.
private final class Refresher: Sendable {
    private let seconds: Int
    private let call: @Sendable () throws -> Void
    private let log: MountLog

    init(_ seconds: Int, _ call: @escaping @Sendable () throws -> Void, _ log: MountLog) {
        self.seconds = seconds
        self.call = call
        self.log = log
    }

    func start() {
        do {
            try SystemThread.detach("refresher") { [self] in refresh() }
        } catch {
            log.write("\(error)")
        }
    }

    private func refresh() {
        var last = ""
        while true {
            sleep(UInt32(max(1, seconds)))
            do {
                try call()
                last = ""
            } catch {
                // An error that repeats is logged once.
                if "\(error)" != last { log.write("\(error)") }
                last = "\(error)"
            }
        }
    }
}

/// Opens the index, finds the view and mounts; serves nothing yet.
///
/// - Returns: the session, and in words what is mounted.
func openSession(_ store: Store, _ options: MountOptions, _ log: MountLog) throws -> (Session, String) {
    let source: ViewSource
    let shows: String
    let reader = try store.reader()
    switch options.layout {
    case .history:
        // An empty store has no dates to show.
        let newest = try reader.view(.latest)
        source = .latest
        shows = "the history up to \(newest.name)"
    case .view(let when):
        let view = try reader.view(when)
        source = when == .latest ? .latest : ViewSource(view)
        switch view.kind {
        case .snapshot: shows = "snapshot \(view.name)\(when == .latest ? ", and newer ones as they arrive" : "")"
        case .instant: shows = "the instant \(view.name)"
        }
    }
    reader.end()
    fuse_set_log_func { _, format, arguments in
        guard let format, let arguments else { return }
        var line = [CChar](repeating: 0, count: 500)
        vsnprintf(&line, line.count, format, arguments)
        let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        if let log = libraryLog.withLock({ $0 }) {
            log.write(String(decoding: text.filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        } else {
            // While mounting, the reason of a failure is looked for in the standard error (``CapturedOutput``).
            _ = text.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
    }
    let distrusted = DistrustedFiles()
    let environment = options.environment
    var client: @Sendable () throws -> S3Client = { try S3Client(store, environment: environment) }
    if let origin = options.origin { client = origin.client }
    let fetcher =
        options.offline
        ? nil
        : ContentFetcher(
            store, from: options.origin?.0, restore: options.restore, log: { log.write($0) },
            distrust: { distrusted.add($0) },
            client: client)
    let files = FileSystem(
        store: store, own: source, options, log: log, fetcher: fetcher, distrusted: distrusted)
    let name = options.sourceName ?? "icecore:\(store.configuration.bucket)"
    let escapedName = String(name.flatMap { $0 == "," || $0 == "\\" ? ["\\", $0] : [$0] })
    var words = [
        "ro", "nosuid", "nodev", "default_permissions", "fsname=\(escapedName)", "subtype=icecore",
        "max_read=\(FileSystem.largestRead)",
    ]
    if options.allowOther { words.append("allow_other") }
    return (try Session(files, at: options.mountPoint, options: words), shows)
}
