import Basics
import SQLite

/// The table `directory`: each directory's name and parent.
package final class DirectoryNames {
    /// The directory that holds everything: the empty prefix.
    static let root: Int64 = 1

    private let statement: Statement
    /// The last prefix looked up: rows of one directory are often adjacent.
    private var last: (directory: Int64, prefix: [UInt8]) = (DirectoryNames.root, [])

    package init(_ connection: Connection) throws(IcecoreError) {
        statement = try connection.prepare("SELECT parent, name FROM directory WHERE id = ?1")
    }

    /// Passes a directory's parent, and its name there (with `/`), to `body`; nil for an unknown id and the root.
    func parent<Result>(
        of directory: Int64, _ body: (Int64, UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        if directory == DirectoryNames.root { return nil }
        statement.bind(1, directory)
        defer { statement.reset() }
        // As below.
        guard try statement.step(), statement.integer(0) < directory else { return nil }
        return try body(statement.integer(0), statement.bytes(1))
    }

    /// The prefix of keys that a directory stands for, with its `/`; empty for the root; nil for an unknown id.
    package func prefix(of directory: Int64) throws(IcecoreError) -> [UInt8]? {
        if directory == last.directory { return last.prefix }
        var components: [[UInt8]] = []
        var current = directory
        while current != DirectoryNames.root {
            statement.bind(1, current)
            defer { statement.reset() }
            // Parents are created before their children: a damaged index must not cause an endless loop.
            guard try statement.step(), statement.integer(0) < current else { return nil }
            components.append(Array(statement.bytes(1)))
            current = statement.integer(0)
        }
        last = (directory, Array(components.reversed().joined()))
        return last.prefix
    }

    /// Forgets the cached prefix, before another state is read.
    func reset() {
        statement.reset()
        last = (DirectoryNames.root, [])
    }
}
