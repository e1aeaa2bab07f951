import Basics
import Foundation
import ReferenceModel
import Testing

/// The SQL of docs/FORMAT.md, run by a reader in another language against stores of random histories, and compared with
/// what the program prints.
@Suite struct FormatTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The statements by the names in their first lines.
    private static func statements() throws -> [String: String] {
        let text = try String(contentsOfFile: "\(root)/docs/FORMAT.md", encoding: .utf8)
        var statements: [String: String] = [:]
        for block in text.components(separatedBy: "```sql\n").dropFirst() {
            let sql = block.components(separatedBy: "\n```")[0]
            let name = try #require(sql.split(separator: "\n").first?.dropFirst(3))
            #expect(sql.hasPrefix("-- "), "a statement begins with its name")
            #expect(statements.updateValue(sql, forKey: String(name)) == nil, "\(name) is there twice")
        }
        return statements
    }

    /// A reader of stores in another language.
    private static let reader = """
        import json, sqlite3, sys
        def value(name, given):
            if isinstance(given, bytes):
                if name == "etag":
                    parts = given[16:]
                    return given[:16].hex() + (f"-{int.from_bytes(parts, 'big')}" if parts else "")
                return given.hex()
            return given
        index = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
        answers = []
        for sql, arguments in json.load(open(sys.argv[2])):
            found = index.execute(sql, arguments)
            names = [column[0] for column in found.description]
            answers.append([{n: value(n, v) for n, v in zip(names, row)} for row in found])
        print(json.dumps(answers))
        """

    private struct QueriedStore {
        let directory: String
        let program: HistoryProgram
        let statements: [String: String]

        func query(_ questions: [(String, [String: Any])]) throws -> [[[String: Any]]] {
            let list = try questions.map { name, arguments -> [Any] in
                [try #require(statements[name], "FORMAT.md has no statement '\(name)'"), arguments]
            }
            let file = "\(directory)/questions.json"
            try JSONSerialization.data(withJSONObject: list).write(to: URL(filePath: file))
            let python = Process()
            python.executableURL = URL(filePath: "/usr/bin/python3")
            python.arguments = ["-c", FormatTests.reader, "\(directory)/store/index.sqlite", file]
            let output = Pipe()
            python.standardOutput = output
            try python.run()
            let data = try output.fileHandleForReading.readToEnd() ?? Data()
            python.waitUntilExit()
            try #require(python.terminationStatus == 0, "the reader failed: see above")
            return try #require(JSONSerialization.jsonObject(with: data) as? [[[String: Any]]])
        }

        func lines(_ arguments: [String]) throws -> [[String: Any]] {
            let output = try program.run(
                [arguments[0], "--store", "\(directory)/store", "--json"] + arguments.dropFirst())
            try #require(output.status == 0, "\(output.command): \(output.stderr)")
            return try output.stdout.split(separator: 10).map {
                try #require(JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
            }
        }
    }

    /// A store of a random history, synced in another order than the inventories were taken.
    private static func withStore(seed: UInt64, _ body: (QueriedStore, HistoryScenario, History) throws -> Void) throws
    {
        let directory = FileManager.default.temporaryDirectory.appending(path: "icecore-format-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = QueriedStore(
            directory: directory, program: try HistoryProgram(directory: directory), statements: try statements())
        let scenario = HistoryScenario(seed: seed)
        try scenario.writeInventories(to: "\(directory)/inventories")
        let made = try store.program.run([
            "init", "\(directory)/store", "--bucket", "s3://\(scenario.bucket.name)", "--inventory",
            "file://\(directory)/inventories",
        ])
        try #require(made.status == 0, "\(made.stderr)")
        var random = SplitMix64(seed: seed)
        for inventory in random.shuffle(scenario.inventories) {
            _ = try store.lines(["sync", "--metadata-only", "--date", inventory.name])
        }
        try body(store, scenario, try scenario.history())
    }

    /// Bytes: Swift's strings are equal where their bytes are not.
    private static func line(_ row: [String: Any], _ key: String = "key", time: String = "lastModified") -> [UInt8] {
        func text(_ name: String) -> String {
            switch row[name] {
            case let text as String: text
            case let number as NSNumber where name == time: Timestamp(milliseconds: number.int64Value).rfc3339
            case let number as NSNumber: "\(number.int64Value)"
            default: "-"
            }
        }
        return Array([key, "size", time, "etag", "versionId"].map { text($0) }.joined(separator: "  ").utf8)
    }

    private static func text(_ lines: [[UInt8]]) -> String {
        lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
    }

    @Test func theStatementsSayWhatAPruneHasLeft() throws {
        try Self.withStore(seed: 1) { store, _, _ in
            #expect(try store.query([("horizon", [:])])[0].first?["horizon"] is NSNull)
            let said = try #require(try store.lines(["prune", "--keep-last", "3"]).last)
            let listed = try store.lines(["snapshots"])
            let snapshots = try store.query([("snapshots", [:])])[0]
            #expect(
                listed.count == 3 && snapshots.map { $0["name"] as? String } == listed.map { $0["name"] as? String })
            let horizon = try #require(try store.query([("horizon", [:])])[0].first?["horizon"] as? NSNumber)
            #expect(Timestamp(milliseconds: horizon.int64Value).rfc3339 == said["keptSince"] as? String)
            for snapshot in snapshots {
                let (id, name) = (try #require(snapshot["id"]), try #require(snapshot["name"] as? String))
                let seen = try store.query([("every key in a snapshot", ["snapshot": id])])[0]
                let expected = try store.lines(["ls", "-R", "--at", name])
                #expect(Self.text(seen.map { Self.line($0) }) == Self.text(expected.map { Self.line($0) }), "\(name)")
            }
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func theStatementsSayWhatTheProgramSays(seed: UInt64) throws {
        try Self.withStore(seed: seed) { store, _, history in
            let snapshots = try store.query([("snapshots", [:])])[0]
            #expect(snapshots.map { $0["name"] as? String } == history.inventories.map(\.name))
            let printed = try store.lines(["snapshots"])
            #expect(snapshots.map { $0["keys"] as? Int } == printed.map { $0["keys"] as? Int })
            #expect(snapshots.map { $0["bytes"] as? Int } == printed.map { $0["bytes"] as? Int })

            // Every view: the whole of it, and one level of some prefixes.
            var whens: [(when: String, argument: (String, Any), kind: String)] = []
            for snapshot in snapshots {
                let name = try #require(snapshot["name"] as? String)
                whens.append((name, ("snapshot", try #require(snapshot["id"])), "in a snapshot"))
            }
            let newest = try #require(history.inventories.last).takenAt
            let earliest = try store.query([("earliest", [:])])[0].first?["earliest"] as? Int64 ?? .max
            var random = SplitMix64(seed: seed)
            let instants = HistoryScenario.interestingInstants(history).filter {
                $0 <= newest && $0.milliseconds >= earliest
            }
            for instant in random.shuffle(instants).prefix(12) {
                whens.append((instant.rfc3339, ("at", instant.milliseconds), "at an instant"))
            }
            let prefixes = Self.prefixes(history.keys)
            let directories = try store.query(prefixes.map { ("directory", ["prefix": $0.string]) }).map {
                $0.first?["directory"] as? Int64
            }
            for (when, argument, kind) in whens {
                let all = try store.query([("every key \(kind)", [argument.0: argument.1])])[0].map { Self.line($0) }
                let expected = try store.lines(["ls", "-R", "--at", when]).map { Self.line($0) }
                #expect(all == expected, "\(when):\n\(Self.text(all))\nis not\n\(Self.text(expected))")

                let place = random.below(prefixes.count)
                let prefix = prefixes[place].string
                let directory = try #require(directories[place], "there is no directory of '\(prefix)'")
                let level = try store.query([("list \(kind)", [argument.0: argument.1, "directory": directory])])[0]
                let names = level.map { Array("\(prefix)\($0["name"] as? String ?? "?")".utf8) }
                let words = try store.lines(["ls", "--at", when] + (prefix.isEmpty ? [] : ["--", prefix]))
                let shown = words.map { Array(($0["key"] as? String ?? $0["prefix"] as? String ?? "?").utf8) }
                #expect(names == shown, "\(prefix) at \(when)")
            }
        }
    }

    @Test(arguments: 0..<2 as Range<UInt64>)
    func everyVersionOfEveryKeyIsFound(seed: UInt64) throws {
        try Self.withStore(seed: seed) { store, _, history in
            let keys = history.keys
            let split = keys.map { key in
                let end = key.bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
                return (
                    String(decoding: key.bytes[..<end], as: UTF8.self),
                    String(decoding: key.bytes[end...], as: UTF8.self)
                )
            }
            let directories = try store.query(split.map { ("directory", ["prefix": $0.0]) }).map { rows in
                try #require(rows.first?["directory"] as? Int64)
            }
            let prefixes = try store.query(directories.map { ("prefix", ["directory": $0]) })
            for (place, rows) in prefixes.enumerated() {
                #expect((rows.first?["prefix"] as? String).map { Array($0.utf8) } == Array(split[place].0.utf8))
            }
            let versions = try store.query(
                directories.enumerated().map { place, directory in
                    ("versions", ["directory": directory, "name": split[place].1])
                })
            for (place, key) in keys.enumerated() {
                func flags(_ row: [String: Any]) -> [UInt8] {
                    let latest = (row["isLatest"] as? NSNumber)?.boolValue ?? false
                    let marker = (row["deleteMarker"] as? NSNumber)?.boolValue ?? false
                    return Array("  \(latest ? "latest" : "") \(marker ? "marker" : "")".utf8)
                }
                let found = versions[place].map { row in
                    var row = row
                    row["lastModified"] = (row["time"] as? NSNumber).map {
                        Timestamp(milliseconds: $0.int64Value).rfc3339
                    }
                    return Self.line(row, "-") + flags(row)
                }
                let printed = try store.lines(["versions", "--", key.string]).map { Self.line($0, "-") + flags($0) }
                #expect(
                    found.sorted { $0.lexicographicallyPrecedes($1) }
                        == printed.sorted { $0.lexicographicallyPrecedes($1) },
                    "\(key):\n\(Self.text(found))\nis not\n\(Self.text(printed))")
            }
        }
    }

    @Test func theRestIsSQL() throws {
        try Self.withStore(seed: 0) { store, _, history in
            let nothing = try store.query([
                ("missing", [:]), ("facts of a blob", ["etag": "0", "size": 1]),
                ("headers", ["directory": 1, "name": "never there", "versionId": ""]),
                ("directory", ["prefix": "never/there/"]),
            ])
            #expect(nothing.allSatisfy { $0.isEmpty }, "a store of metadata alone asks for nothing")
            #expect(try store.query([("earliest", [:])])[0].count == 1)
            #expect(store.statements.count == 13, "a statement that no test runs")
        }
    }

    /// The prefixes that end with `/` of all keys, and the empty one.
    private static func prefixes(_ keys: [ByteString]) -> [ByteString] {
        var prefixes: Set<ByteString> = [""]
        for key in keys {
            for (place, byte) in key.bytes.enumerated() where byte == UInt8(ascii: "/") {
                prefixes.insert(ByteString(Array(key.bytes[...place])))
            }
        }
        return prefixes.sorted()
    }
}
