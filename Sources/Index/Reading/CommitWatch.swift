import Basics
import SQLite

/// Notices commits to the index, at the cost of a look at shared memory. One thread at a time.
public final class CommitWatch {
    private let connection: Connection
    private let statement: Statement

    public init(path: String) throws(IcecoreError) {
        connection = try Connection(path, readOnly: true)
        statement = try connection.prepare("PRAGMA data_version")
    }

    /// A number that differs from the last one if anything was committed in between.
    public func dataVersion() throws(IcecoreError) -> Int64 {
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }
}
