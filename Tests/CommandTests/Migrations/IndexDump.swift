import Foundation
import Testing

/// Indexes as SQL, the form in which fixtures are kept.
enum IndexDump {
    /// Writes an index down.
    static func write(_ store: String, to file: String) throws {
        try python(
            """
            import sqlite3, sys
            with open(sys.argv[2], "w") as file:
                for line in sqlite3.connect(sys.argv[1]).iterdump(): file.write(line + "\\n")
            """, "\(store)/index.sqlite", file)
    }

    /// Replaces the index of a store by a dump.
    static func load(_ file: String, into store: String) throws {
        let index = "\(store)/index.sqlite"
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: index + suffix) }
        try python(
            """
            import sqlite3, sys
            index = sqlite3.connect(sys.argv[1])
            index.execute("PRAGMA page_size = 4096")
            index.execute("PRAGMA journal_mode = WAL")
            index.executescript(open(sys.argv[2]).read())
            """, index, file)
    }

    /// Runs a script that must succeed; what it prints.
    @discardableResult
    static func python(_ script: String, _ words: String...) throws -> String {
        let python = Process()
        let output = Pipe()
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = ["-c", script] + words
        python.standardOutput = output
        try python.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        python.waitUntilExit()
        try #require(python.terminationStatus == 0, "\(text)")
        return text
    }
}
