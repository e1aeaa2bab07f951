import Basics
import CFuse3
import Glibc
import Synchronization

/// A mounted file system with the threads that serve it.
final class Session: @unchecked Sendable {
    /// Enough to keep a disk busy; all but one sleep until they are needed (``RequestTurnstile``).
    static let threadCount = 4

    let files: FileSystem
    let mountPoint: String
    private let session: OpaquePointer
    private var workers: [RequestWorker] = []
    private var turnstile: RequestTurnstile?
    private var commitWatcher: CommitWatcher?
    private var threads: [SystemThread] = []
    private let running = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    /// A pipe that reaches its end once no thread serves requests any more.
    let ended: Int32
    private let ending: Int32

    /// Mounts; the file system answers after ``start()``.
    init(_ files: FileSystem, at mountPoint: String, options: [String]) throws {
        self.files = files
        self.mountPoint = mountPoint
        let context = Unmanaged.passUnretained(files).toOpaque()
        var operations = makeOperations()
        let words = ["icecore"] + options.flatMap { ["-o", $0] }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let made = arguments.withUnsafeMutableBufferPointer { buffer in
            var list = fuse_args(argc: Int32(words.count), argv: buffer.baseAddress, allocated: 0)
            let session = fuse_session_new(&list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, context)
            fuse_opt_free_args(&list)
            return session
        }
        guard let made else { throw IcecoreError(.system, "libfuse refuses the mount's options") }
        session = made
        (ended, ending) = try makePipe()
        do {
            let complaint = try CapturedOutput()
            if fuse_session_mount(session, mountPoint) != 0 {
                throw MountPoint.refusal(mountPoint, complaint.end())
            }
            _ = complaint.end()
            if files.wantsPassthrough { files.passthrough.begin(session) }
            let turnstile = RequestTurnstile(fuse_session_fd(session))
            self.turnstile = turnstile
            for _ in 0..<Session.threadCount { workers.append(try RequestWorker(files, turnstile)) }
            commitWatcher = try CommitWatcher(files, workers, session)
            if files.hasPacks { files.feeder = NeighbourFeeder(files, session) }
        } catch {
            fuse_session_unmount(session)
            fuse_session_destroy(session)
            close(ended)
            close(ending)
            throw error
        }
        libraryLog.withLock { $0 = files.log }
    }

    // MARK: Threads

    /// Begins to serve requests; returns once the kernel and libfuse have agreed on a protocol.
    func start() throws {
        for worker in workers {
            running.add(1, ordering: .relaxed)
            threads.append(try SystemThread("fuse-worker") { [self] in serve(worker) })
        }
        threads.append(try SystemThread("commit-watcher") { [self] in follow() })
        if let feeder = files.feeder { threads.append(try SystemThread("feeder") { feeder.run() }) }
        if let turnstile { threads.append(try SystemThread("turnstile") { turnstile.watch() }) }
        // INIT has been on its way since the mount.
        var patience = 10_000
        while !files.isReady {
            if running.load(ordering: .relaxed) == 0 || patience == 0 {
                throw IcecoreError(.system, "the kernel and libfuse do not agree on a protocol: see the log")
            }
            patience -= 1
            usleep(1000)
        }
        readAhead()
        // After a request of our own, which the kernel holds back until it has the answer to INIT.
        files.passthrough.tryOut("\(files.store.path)/icecore.json")
    }

    private func serve(_ worker: RequestWorker) {
        CurrentWorker.set(worker)
        let turnstile = worker.turnstile
        var buffer = fuse_buf()
        var hasToken = false
        while fuse_session_exited(session) == 0 {
            var count: Int32
            var wasThere = true
            if hasToken {
                (count, wasThere) = turnstile.receive { fuse_session_receive_buf(session, &buffer) }
            } else {
                count = fuse_session_receive_buf(session, &buffer)
            }
            if count == -EAGAIN, !hasToken {
                // The queue is empty: there is nothing to help with.
                turnstile.take()
                hasToken = true
            }
            if count == -EINTR || count == -EAGAIN { continue }
            if count <= 0 { break }
            if hasToken {
                // A request that had to be waited for is the only one.
                if wasThere, turnstile.hasMore {
                    turnstile.pass()
                    hasToken = false
                } else {
                    worker.turn = turnstile.begin()
                }
            }
            fuse_session_process_buf(session, &buffer)
            worker.afterAnswer()
            if hasToken {
                hasToken = turnstile.end(worker.turn)
                worker.turn = 0
            }
        }
        // The next holder must see the end, too.
        turnstile.pass()
        free(buffer.mem)
        if running.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            isStopping.store(true, ordering: .relaxed)
            turnstile.stop()
            files.feeder?.stop()
            close(ending)
        }
    }

    private func follow() {
        while !isStopping.load(ordering: .relaxed) {
            usleep(CommitWatcher.interval)
            do {
                try commitWatcher?.look()
            } catch {
                files.log.write("cannot look for new snapshots: \(error)")
            }
        }
    }

    /// With the default of 128 KiB a large file takes eight times as many requests. Only root can change it.
    private func readAhead() {
        var status = stat()
        guard geteuid() == 0, stat(mountPoint, &status) == 0 else { return }
        let device = "\(icecore_major(status.st_dev)):\(icecore_minor(status.st_dev))"
        guard let file = try? File("/sys/class/bdi/\(device)/read_ahead_kb", O_WRONLY) else { return }
        try? Array("\(FileSystem.largestRead / 1024)".utf8).withUnsafeBytes { try file.write($0) }
    }

    // MARK: The end

    /// Unmounts, if that has not happened yet, and waits for the threads, unless some program still has a file open.
    ///
    /// Not with libfuse, which would close the descriptor that threads are reading from.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        // A reader that waits for the network would keep the mount busy.
        files.fetcher?.stop()
        if !hasEnded(within: 0) {
            if geteuid() == 0 {
                umount2(mountPoint, Int32(MNT_DETACH))
            } else {
                runFusermount()
            }
        }
        guard hasEnded(within: 5000) else { return }
        for thread in threads { thread.join() }
        threads = []
        fuse_session_unmount(session)
        // What it looks up in the mount fails from here on.
        files.dateReconnector.stop()
        fuse_session_destroy(session)
        close(ended)
    }

    /// Whether all threads have stopped serving requests.
    private func hasEnded(within milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: ended, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, milliseconds) == 1
    }

    private func runFusermount() {
        let words = ["fusermount3", "-u", "-q", "-z", "--", mountPoint]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        var status: Int32 = 0
        if posix_spawnp(&child, words[0], nil, nil, &arguments, environ) == 0 { waitpid(child, &status, 0) }
    }
}

/// Where libfuse's own messages go once something is mounted. Its hook is not told of the session.
let libraryLog = Mutex<MountLog?>(nil)
