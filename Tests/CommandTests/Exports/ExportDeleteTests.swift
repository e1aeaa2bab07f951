import Basics
import Foundation
import Testbed
import Testing

/// Exports that are to be the mirror: `--delete` removes what earlier ones wrote, and nothing else.
@Suite struct ExportDeleteTests {
    private typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z", "2024-03-04T01-00Z"]

    private static func use(_ snapshots: [[String]], _ body: (Scenario) throws -> Void) throws {
        try Scenario.withSnapshots(names, snapshots.map { $0.map { Row($0, bytes("content of \($0)")) } }, body)
    }

    private static func contents(_ keys: [String]) -> [String: String] {
        keys.reduce(into: [:]) { $0[$1] = "content of \($1)" }
    }

    private static func directories(_ target: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: target).filter { Files.size("\(target)/\($0)") == nil }
            .sorted()
    }

    @Test func whatTheViewNoLongerShowsGoesAndNothingElse() throws {
        let first = ["a", "changed", "deep/down/x", "deep/y", "gone/1", "gone/2", "mine/too", "stays"]
        try Self.use([first, ["a", "new/file", "stays"]]) { scenario in
            let target = "\(scenario.directory)/target"
            try Files.createDirectories("\(target)/mine")
            try scenario.succeed("export", target, "--at", Self.names[0])
            // What a person has put there or changed, also where the bucket had something.
            try Files.replace("\(target)/own", with: bytes("own"))
            try Files.replace("\(target)/deep/own", with: bytes("own"))
            try Files.remove("\(target)/changed")
            try Files.replace("\(target)/changed", with: bytes("changed by hand"))
            let before = try exported(target)

            // Without the flag, everything stays.
            let without = try scenario.succeed("export", target, "--at", Self.names[1], "--json")
            #expect(try without.count("deleted") == 0)
            #expect(try exported(target) == before.merging(["new/file": "content of new/file"]) { $1 })

            let rehearsal = try scenario.succeed("export", target, "--at", Self.names[1], "--delete", "--dry-run")
            let doomed = ["deep/down/x", "deep/y", "gone/1", "gone/2", "mine/too"]
            #expect(rehearsal.text.hasPrefix(doomed.map { "delete \($0)\n" }.joined()), "\(rehearsal)")
            #expect(rehearsal.text.contains("5 files would be removed"), "\(rehearsal)")
            #expect(try exported(target).count == before.count + 1)

            let run = try scenario.succeed("export", target, "--at", Self.names[1], "--delete", "--json")
            #expect(try run.count("deleted") == 5 && run.count("skipped") == 3, "\(run)")
            #expect(try run.records.compactMap { $0["path"] as? String } == doomed)
            let rest = ["own": "own", "deep/own": "own", "changed": "changed by hand"]
            let expected = Self.contents(["a", "new/file", "stays"]).merging(rest) { $1 }
            #expect(try exported(target) == expected)
            // Directories that it made have gone; what was there before has not, though it is empty.
            #expect(try Self.directories(target) == ["deep", "mine", "new"])

            // What was left because of a person's file goes when that has gone.
            try Files.remove("\(target)/deep/own")
            try scenario.succeed("export", target, "--at", Self.names[1], "--delete")
            #expect(try Self.directories(target) == ["mine", "new"])
        }
    }

    @Test func aKeyBecomesADirectoryAndAFileAgain() throws {
        let snapshots = [["a", "a-b", "c/d"], ["a/x/y", "a-b", "c"], ["a", "a/x", "a-b", "c/d", "c"]]
        try Self.use(snapshots) { scenario in
            let target = "\(scenario.directory)/target"
            let path = ["a": "a/.icecore-object", "c": "c/.icecore-object"]
            for day in [0, 1, 0, 2, 1, 2, 0] {
                let run = try scenario.succeed("export", target, "--at", Self.names[day], "--delete")
                var expected = Self.contents(snapshots[day])
                if day == 2 { for (key, inside) in path { expected[inside] = expected.removeValue(forKey: key) } }
                #expect(try exported(target) == expected, "\(day): \(run)")
            }
        }
    }

    @Test func whatIsInTheWayIsNamedAndTheRestIsWritten() throws {
        try Self.use([["a", "b/c", "d"], ["a/x", "b", "d"]]) { scenario in
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target, "--at", Self.names[0])
            // A file that an export wrote gives way to a directory; a directory stays, unless all of it is to go.
            let run = try scenario.run("export", target, "--at", Self.names[1], "--json")
            #expect(try run.status == 3 && run.leftOut == ["b": "in the way"], "\(run)")
            #expect(try exported(target) == Self.contents(["a/x", "b/c", "d"]))
            try Files.replace("\(target)/b/own", with: bytes("own"))
            let again = try scenario.run("export", target, "--at", Self.names[1], "--delete", "--json")
            #expect(try again.status == 3 && again.leftOut == ["b": "in the way"], "\(again)")
            #expect(try exported(target) == Self.contents(["a/x", "d"]).merging(["b/own": "own"]) { $1 })
            try Files.remove("\(target)/b/own")
            try scenario.succeed("export", target, "--at", Self.names[1], "--delete")
            #expect(try exported(target) == Self.contents(["a/x", "b", "d"]))
            // A person's file where a directory has to be.
            try FileManager.default.removeItem(atPath: "\(target)/a")
            try Files.replace("\(target)/a", with: bytes("own"))
            let blocked = try scenario.run("export", target, "--at", Self.names[1], "--delete", "--json")
            #expect(try blocked.status == 3 && blocked.leftOut == ["a/x": "in the way"], "\(blocked)")
            #expect(try Files.read("\(target)/a", limit: 100) == bytes("own"))
        }
    }

    @Test func onlyWhatThePrefixIsAboutIsRemoved() throws {
        try Self.use([["a/1", "a/b/1", "a/b/2", "ab", "c/1"], ["a/b/2"], []]) { scenario in
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target, "--at", Self.names[0])
            func delete(_ day: Int, _ prefix: String) throws -> [String] {
                try scenario.succeed("export", target, "--at", Self.names[day], "--delete", "--prefix", prefix)
                return try exported(target).keys.sorted()
            }
            #expect(try delete(1, "a/b/") == ["a/1", "a/b/2", "ab", "c/1"])
            #expect(try delete(1, "a/") == ["a/b/2", "ab", "c/1"])
            #expect(try delete(2, "a/b/2") == ["ab", "c/1"])
            #expect(try Self.directories(target) == ["c"])
            #expect(try delete(2, "a") == ["c/1"])
            #expect(try delete(0, "a") == ["a/1", "a/b/1", "a/b/2", "ab", "c/1"])
        }
    }

    @Test func whatAKilledExportHasWrittenIsRemovedToo() throws {
        let many = (0..<200).map { "many/\($0 % 7)/key-\($0)" }
        try Self.use([many, ["one"]]) { scenario in
            for kind in ["copy", "hard"] {
                for round in 0..<6 {
                    let target = "\(scenario.directory)/target-\(kind)-\(round)"
                    let program = try scenario.start(
                        ["export", target, "--store", scenario.store, "--at", Self.names[0], "--link", kind])
                    usleep(UInt32(8000 * round + 8000))
                    program.kill(SIGKILL)
                    _ = try program.wait()
                    guard Files.exists(target) else { continue }
                    try scenario.succeed("export", target, "--at", Self.names[1], "--delete", "--link", kind)
                    #expect(try exported(target) == Self.contents(["one"]), "\(kind) \(round)")
                    #expect(try Self.directories(target).isEmpty)
                }
            }
        }
    }

    @Test func whatAnotherBucketWasExportedToIsRefused() throws {
        try Self.use([["a", "both"], ["c"]]) { scenario in
            let other = "\(scenario.directory)/other"
            let folder = try InventoryFolder("\(scenario.directory)/others", bucket: "other-bucket")
            try folder.write(Self.names[0], [Row("both", []), Row("theirs", [])])
            let made = try scenario.run(["init", other, "--bucket", "s3://other-bucket", "--inventory", folder.url])
            try #require(made.status == 0, "\(made)")
            #expect(try scenario.run(["sync", "--store", other]).status == 0)

            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target, "--at", Self.names[0])
            let before = try exported(target)
            for words in [["--delete"], [], ["--delete", "--dry-run"]] {
                let run = try scenario.run(["export", target, "--store", other] + words)
                #expect(run.status == 1, "\(run)")
                #expect(run.stderr.contains("holds an export of s3://bucket: choose another directory"), "\(run)")
                #expect(try exported(target) == before)
            }
            // Another store of the same bucket goes on.
            try Files.rename(scenario.store, "\(scenario.directory)/moved")
            let again = try scenario.run(["export", target, "--delete", "--store", "\(scenario.directory)/moved"])
            #expect(again.status == 0, "\(again)")
            #expect(try exported(target) == Self.contents(["c"]))
            // A list from before lists named their bucket belongs to the next that exports.
            let list = "\(target)/.icecore-export-list"
            let lines = try Files.read(list, limit: 1 << 20).drop { $0 != 0x0a }
            try Files.replace(list, with: bytes("icecore export list 1") + lines)
            #expect(try scenario.run(["export", target, "--delete", "--store", other]).status == 0)
            #expect(try exported(target) == ["both": "", "theirs": ""])
        }
    }

    @Test func aListThatWasTamperedWithLeadsNowhere() throws {
        try Self.use([["a/b"], ["c"]]) { scenario in
            let outside = "\(scenario.directory)/outside"
            try Files.replace(outside, with: bytes("x"))
            var status = stat()
            try #require(stat(outside, &status) == 0)
            let stamp = "1 0 \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)"
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target, "--at", Self.names[0])
            let list = "\(target)/.icecore-export-list"
            let header = "icecore export list 1\n"
            let good = try Files.read(list, limit: 1 << 20)
            for (lines, isRead) in [
                ("F + \(stamp) ../outside\n.\n", false), ("D + 1 ../\nF + \(stamp) outside\n.\n.\n", true),
                ("F + \(stamp) x/../../outside\n.\n", false), ("D + 1 x/../../\n.\n.\n", false),
                ("F + 99999999999999999999 0 0 0 a\n.\n", false), ("F + \(stamp) b\nF + \(stamp) a\n.\n", false),
                ("F + \(stamp) a\n", false), ("D + 1 a/\n.\n", false), (".\n.\n", false), ("F + 1\n.\n", false),
                (String(repeating: "D + 1 a/\n", count: 3000), false), ("F + \(stamp) a\\x\n.\n", false), ("", false),
                (String(repeating: "x", count: 100_000), false), ("F + 1 0 -9223372036854775807 -5 a\n.\n", true),
            ] {
                try Files.replace(list, with: bytes(header + lines))
                let run = try scenario.run("export", target, "--at", Self.names[1], "--delete")
                if isRead {
                    #expect(run.status == 0, "\(run)")
                } else {
                    // After the line that says which snapshot is shown.
                    #expect(run.status == 1 && run.complaints.count == 2 && run.stderr.contains("damaged"), "\(run)")
                }
                #expect(try Files.read(outside, limit: 10) == bytes("x"))
            }
            // A later version's.
            try Files.replace(list, with: bytes("icecore export list 2\n.\n"))
            #expect(try scenario.run("export", target).status == 1)
            try Files.replace(list, with: good)
            try scenario.succeed("export", target, "--delete")
            #expect(try exported(target) == Self.contents(["c"]))
        }
    }
}
