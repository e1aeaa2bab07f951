import Basics
import Foundation
import Glibc

/// The one writer of a store. The kernel releases the lock with the process, however it ends.
public final class StoreLock: @unchecked Sendable {
    private let file: File

    private struct Holder: Codable {
        var pid: Int32
        var host: String
        var since: String
        var command: String
    }

    /// Takes the lock, or refuses at once.
    ///
    /// - Parameter command: what the lock is for, for the sentence that a second one is told.
    public init(_ store: Store, command: String) throws {
        let path = "\(store.path)/lock"
        file = try File(path, O_RDWR | O_CREAT)
        if flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK else { throw IcecoreError.system("cannot lock", path, errno: errno) }
            let content = (try? Files.read(path, limit: 4096)) ?? []
            guard let holder = try? JSONDecoder().decode(Holder.self, from: Data(content)) else {
                throw IcecoreError(.busy, "the store '\(store.path)' is in use by another process")
            }
            throw IcecoreError(
                .busy,
                "the store '\(store.path)' is in use by '\(holder.command)' (process \(holder.pid) on "
                    + "\(holder.host), since \(holder.since)): wait for it, or stop it")
        }
        let holder = Holder(
            pid: getpid(), host: ProcessInfo.processInfo.hostName, since: Timestamp.now().rfc3339, command: command)
        let content = [UInt8](try JSONEncoder().encode(holder))
        ftruncate(file.descriptor, 0)
        try content.withUnsafeBytes { try file.write($0, at: 0) }
    }
}
