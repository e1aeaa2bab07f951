import Basics
import Blobs
import Model
import SQLite

/// Which contents a store has in its object store as objects of their own: what its records of the replica say. May be used
/// from any thread.
final class HeldContents: DistantContents, @unchecked Sendable {
    // The connection and its statement are only used under the lock.
    private let lock = Lock()
    private let path: String
    private var connection: Connection?
    private var select: Statement?

    /// - Parameter path: of the records; without the file, nothing is known to be there.
    init(path: String) {
        self.path = path
    }

    func has(_ name: BlobName) throws -> Bool {
        try lock.withLock {
            guard let select = try statement() else { return false }
            var isHeld = false
            try select.run(texts: [(1, name.file)]) {
                isHeld = try select.step()
                select.reset()
            }
            return isHeld
        }
    }

    private func statement() throws -> Statement? {
        if let select { return select }
        guard Files.size(path) ?? 0 > 0 else { return nil }
        let connection = try Connection(path, readOnly: true)
        // What may be there, and what is about to be sent, does not count.
        guard try connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'held'").step() else { return nil }
        let statement = try connection.prepare("SELECT 1 FROM held WHERE name = ? AND standing < 2")
        self.connection = connection
        select = statement
        return statement
    }
}
