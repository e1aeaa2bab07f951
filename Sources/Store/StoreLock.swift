import Basics
import Foundation
import Glibc

/// The lock of a store's single writer. The kernel releases it with the process, however that ends.
///
/// Between machines, the lock is only as good as the file system that they share: see ``FileSystemKind``.
public final class StoreLock: @unchecked Sendable {
    private let file: File
    private var holder: Holder
    /// A process that was refused the lock must not write to the file.
    private var isHeld = false

    private struct Holder: Codable {
        var pid: Int32
        var host: String
        /// The machine's boot id; older programs did not write it.
        var boot: String?
        var since: String
        var command: String
        /// When it released the lock; nil while it holds it, or if it was killed.
        var ended: String?

        var description: String { "'\(command)' (process \(pid) on \(host), since \(since))" }
    }

    /// The last command that wrote to the store, or still does.
    public struct LastRun: Sendable {
        public let command: String
        /// RFC 3339.
        public let began: String
        /// Nil: it still runs, or was killed.
        public let ended: String?
    }

    /// What the lock's file says of its last holder; nil if there was none.
    public static func lastRun(_ store: Store) -> LastRun? {
        guard let content = try? Files.read("\(store.path)/\(StoreLayout.lock)", limit: 4096),
            let last = try? UntrustedJSON.decode(Holder.self, from: content)
        else { return nil }
        return LastRun(command: last.command, began: last.since, ended: last.ended)
    }

    /// Takes the lock, or fails at once.
    ///
    /// - Parameter command: what the lock is for, for the error that a second process gets.
    public init(_ store: Store, command: String) throws {
        let path = "\(store.path)/\(StoreLayout.lock)"
        // The file is overwritten: a link must not redirect that to another file.
        file = try File(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        holder = Holder(
            pid: getpid(), host: ProcessInfo.processInfo.hostName, boot: try? BootID.read(),
            since: Timestamp.now().rfc3339, command: command)
        let isAcquired = try FileLock.exclusive.acquireNow(file)
        let content = (try? Files.read(path, limit: 4096)) ?? []
        let last = try? UntrustedJSON.decode(Holder.self, from: content)
        guard isAcquired else {
            throw IcecoreError(
                .busy,
                last.map { "the store '\(store.path)' is in use by \($0.description): wait for it, or stop it" }
                    ?? "the store '\(store.path)' is in use by another process")
        }
        if let last { try refuseOther(last, path, store) }
        try store.expectOwnDirectories()
        // A copy of a store may lack directories that were empty.
        for directory in [store.temporaryPath, store.inventoriesPath, store.quarantinePath]
        where !Files.exists(directory) {
            try Files.createDirectory(directory)
        }
        // The store may have been moved to a disk where it cannot be written to.
        if let refusal = FileSystemAbilities(necessaryIn: store.temporaryPath).refusal(store.path) { throw refusal }
        isHeld = true
        try write()
    }

    deinit {
        guard isHeld else { return }
        holder.ended = Timestamp.now().rfc3339
        try? write()
    }

    /// Overwrites the content before truncating it: that works even on a full disk.
    private func write() throws {
        let content = [UInt8](try JSONEncoder().encode(holder))
        try content.withUnsafeBytes { try file.write($0, at: 0) }
        let descriptor = file.descriptor
        try systemCall("cannot write", file.path) { ftruncate(descriptor, off_t(content.count)) }
    }

    /// Refuses if a process on another machine may still be writing: it has not recorded its end, and the file system
    /// may hide other machines' locks.
    private func refuseOther(_ last: Holder, _ path: String, _ store: Store) throws {
        guard last.ended == nil, let boot = last.boot, boot != holder.boot, last.host != holder.host,
            let kind = FileSystemKind(of: file), !kind.carriesLocks
        else { return }
        throw IcecoreError(
            .busy,
            "the store '\(store.path)' was last written to by \(last.description), which has not recorded its end, and "
                + "\(kind.name) may hide the locks of other machines: once that process is gone, remove '\(path)'")
    }
}

extension Store {
    /// Expects the directories of the store to be real ones. Writes and removals through a link would happen elsewhere.
    func expectOwnDirectories() throws {
        var trees = [blobs.path]
        if Files.exists(packsPath) { trees.append(packsPath) }
        let fans = trees.flatMap { tree in (UInt8.min...UInt8.max).map { "\(tree)/\(Hex.encode([$0]))" } }
        for path in trees + [temporaryPath, inventoriesPath, quarantinePath] + fans {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { continue }
            let what = status.st_mode & S_IFMT == S_IFLNK ? "a symbolic link" : "a file"
            throw IcecoreError(
                .damaged,
                "'\(path)' is \(what) where a directory of the store should be: nothing was changed. Put the directory "
                    + "back, or remove this: 'icecore verify --repair' then fetches what is missing")
        }
    }
}
