import Basics
import Glibc

/// A directory below `tmp/` of a replica in which one process writes files before they get their names.
///
/// It is locked while in use, which tells it from one that a killed process has left behind.
final class StagingDirectory {
    private let directory: ReplicaDirectory
    /// Relative to the replica's root.
    private let path: String
    /// Holds the lock; nil: not created yet.
    private var handle: File?
    private var counter = 0

    /// What the names of pushes' staging directories begin with.
    static let prefix = "push-"

    /// - Parameter name: a name below `tmp/` that no other process uses.
    init(_ directory: ReplicaDirectory, _ name: String) {
        self.directory = directory
        path = "tmp/\(name)"
    }

    /// The full path of a file that does not exist yet.
    func newFile() throws -> String {
        if handle == nil {
            try removeAbandoned()
            try create()
        }
        counter += 1
        return directory.full("\(path)/\(counter)")
    }

    /// Removes the directory, including what an earlier process left under the same name.
    func remove() throws {
        handle = nil
        try Files.removeAll(directory.full(path))
    }

    private func create() throws {
        let full = directory.full(path)
        // Until it is locked, another push may take it for abandoned and remove it.
        for _ in 0..<100 {
            try Files.createDirectories(full)
            if let handle = try? File(full, O_RDONLY | O_DIRECTORY),
                try FileLock.exclusive.acquireNow(handle), Files.exists(full)
            {
                self.handle = consume handle
                return
            }
            usleep(10_000)
        }
        throw IcecoreError(.busy, "other processes keep removing '\(full)'")
    }

    /// Removes what killed pushes have left: directories that no process has locked.
    private func removeAbandoned() throws {
        let parent = directory.full("tmp")
        guard Files.exists(parent) else { return }
        try directory.refuseLinks("tmp/")
        for name in try Files.names(in: parent) where name.hasPrefix(StagingDirectory.prefix) {
            guard let handle = try? File("\(parent)/\(name)", O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                (try? FileLock.exclusive.acquireNow(handle)) == true
            else { continue }
            try Files.removeAll("\(parent)/\(name)")
        }
    }
}
