import Basics
import SQLite

/// The prefixes of directories, for a connection that writes. The one that was asked for last is remembered.
package final class DirectoryPrefixes {
    private let parent: Statement
    private var last: (directory: Int64, prefix: [UInt8]) = (IndexReader.root, [])

    package init(_ connection: Connection) throws(IcecoreError) {
        parent = try connection.prepare("SELECT parent, name FROM directory WHERE id = ?1")
    }

    /// The prefix of keys that a directory stands for; empty for the root, and for an id that the index does not have.
    package func prefix(of directory: Int64) throws(IcecoreError) -> [UInt8] {
        if directory == last.directory { return last.prefix }
        var components: [[UInt8]] = []
        var current = directory
        while current != IndexReader.root {
            parent.bind(1, current)
            defer { parent.reset() }
            guard try parent.step(), parent.integer(0) < current else { return [] }
            components.append(Array(parent.bytes(1)))
            current = parent.integer(0)
        }
        last = (directory, Array(components.reversed().joined()))
        return last.prefix
    }
}
