import Basics
import Foundation
import Testbed
import Testing

/// An index in which directories hold each other, damaged or made by somebody with bad intentions: nothing goes round in
/// circles.
@Suite struct CycleTests {
    typealias Row = InventoryFolder.Row

    /// Makes the directory `a/b/` of an index the directory that holds it.
    private static let script = """
        import sqlite3, sys
        index = sqlite3.connect(sys.argv[1])
        above = index.execute("SELECT id FROM directory WHERE name = 'a/'").fetchone()[0]
        index.execute("UPDATE entry SET child = ? WHERE name = 'b/'", (above,))
        index.commit()
        """

    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("a/b/c/file", bytes("content")), Row("z", bytes("last"))])
            try scenario.succeed("sync")
            try body(scenario)
        }
    }

    private func damage(_ index: String, _ scenario: Scenario) throws {
        try Files.replace("\(scenario.directory)/cycle.py", with: bytes(Self.script))
        try scenario.shell("python3 cycle.py \"$1\"", index)
    }

    @Test func everyCommandEndsWithASentence() throws {
        try use { scenario in
            try damage("\(scenario.store)/index.sqlite", scenario)
            try scenario.add("2024-03-03T01-00Z", [Row("a/b/c/file", bytes("newer")), Row("z", bytes("last"))])
            for words in [
                ["ls", "-R"], ["ls", "a/b/c/"], ["cat", "a/b/c/file"], ["export", "\(scenario.directory)/out"],
                ["diff", "2024-03-02", "2024-03-01T12:00:00Z"], ["prune", "--keep-last", "1"], ["sync"],
            ] {
                let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst(), seconds: 30)
                #expect(run.status == 1 && run.stderr.contains("is damaged"), "\(run)")
                #expect(run.stdout.count < 1000, "\(run)")
            }
        }
    }

    @Test func aWalkOverAMountEnds() throws {
        try use { scenario in
            try damage("\(scenario.store)/index.sqlite", scenario)
            let mount = try scenario.mount("--history")
            for path in ["latest", "at/2024-03-02", "versions"] {
                let run = try scenario.shell(
                    "find \"$1\" || true; ls -R \"$1\" || true", "\(mount)/\(path)", seconds: 30)
                #expect(run.stdout.count < 1000, "\(run)")
            }
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains("is damaged"), "\(log)")
        }
    }

    @Test func aReplicaWithOneIsRefused() throws {
        try use { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            _ = try place.forge { _, metadata in
                var index = try #require(metadata["index"] as? [String: Any])
                var chunks = try #require(index["chunks"] as? [[String: Any]])
                let file = "\(scenario.directory)/replica/\(try #require(chunks[0]["path"] as? String))"
                try #require(chunks.count == 1)
                try scenario.shell("gunzip < \"$1\" > forged", file)
                try damage("\(scenario.directory)/forged", scenario)
                try scenario.shell("rm \"$1\" && gzip < forged > \"$1\"", file)
                let content = try Files.read("\(scenario.directory)/forged", limit: 1 << 26)
                chunks[0]["sha256"] = Hex.encode(SHA256.digest(content))
                chunks[0]["size"] = content.count
                index["chunks"] = chunks
                metadata["index"] = index
            }
            let clone = try scenario.run(["clone", place.url, "\(scenario.directory)/clone"], seconds: 30)
            #expect(clone.status == 1 && clone.stderr.contains("in two places"), "\(clone)")
            let list = try scenario.run(
                ["ls", "-R", "--replica", place.url, "--cache", "\(scenario.directory)/cache"], seconds: 30)
            #expect(list.status == 1 && list.stderr.contains("in two places"), "\(list)")
            #expect(list.stdout.isEmpty)
        }
    }
}
