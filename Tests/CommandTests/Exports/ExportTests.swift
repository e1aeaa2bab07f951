import Basics
import Foundation
import Glibc
import ReferenceModel
import Testbed
import Testing

/// Exports against mounts of the same view.
@Suite struct ExportTests {
    /// A tree on disk as an export leaves it: by path, the time in nanoseconds, the mode and the content.
    private struct Tree: Equatable {
        struct TreeFile: Equatable {
            var time: Int
            var content: [UInt8]
        }
        var files: [ByteString: TreeFile] = [:]
        var directories: [ByteString: Int] = [:]
        var modes: Set<UInt32> = []

        init(_ root: String) throws {
            let seen = try SeenTree(root)
            for (path, file) in seen.files where path != ".icecore-export-list" {
                files[path] = TreeFile(time: file.seconds * 1_000_000_000 + file.nanoseconds, content: file.content)
                modes.insert(file.mode)
            }
            for path in seen.directories.keys { directories[path] = 0 }
        }
    }

    /// A store of odd keys with all contents.
    private static func withStore(_ body: (PruneTests.Subject) throws -> Void) throws {
        try Scenario.use { scenario in
            let subject = try PruneTests.Subject(scenario, seed: 4)
            for inventory in subject.life.inventories { try subject.sync(inventory) }
            try body(subject)
        }
    }

    @Test(arguments: ["auto", "copy", "hard"])
    func anEmptyObjectNeedsNothingOfTheStore(link: String) throws {
        try Scenario.withBucket { scenario in
            typealias Row = InventoryFolder.Row
            try scenario.add("2024-03-02T01-00Z", [Row("marks/_SUCCESS", []), Row("marks/full", bytes("full"))])
            try scenario.succeed("sync", "--metadata-only")
            let target = "\(scenario.directory)/target"
            let run = try scenario.succeed("export", target, "--prefix", "marks/_", "--link", link, "--json")
            #expect(try run.record["files"] as? Int == 1 && run.record["missing"] as? Int == 0, "\(run)")
            var status = stat()
            #expect(lstat("\(target)/marks/_SUCCESS", &status) == 0)
            #expect(status.st_size == 0 && status.st_mode == S_IFREG | 0o644 && status.st_nlink == 1)
            let again = try scenario.succeed("export", target, "--prefix", "marks/_", "--link", link, "--json")
            #expect(try again.record["skipped"] as? Int == 1, "\(again)")
            let cat = try scenario.succeed("cat", "marks/_SUCCESS")
            #expect(cat.stdout.isEmpty && cat.stderr.isEmpty, "\(cat)")
            #expect(try !scenario.succeed("versions", "marks/_SUCCESS").text.contains("not here"))
            #expect(try scenario.succeed("versions", "marks/full").text.contains("not here"))
            let mount = try scenario.mount("--offline")
            #expect(try Files.read("\(mount)/marks/_SUCCESS", limit: 10).isEmpty)
            // What has bytes is still missing.
            let all = try scenario.run("export", target, "--link", link)
            #expect(all.status == 3 && all.stderr.contains("1 file was not written"), "\(all)")
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func anExportIsTheMount() throws {
        try Self.withStore { subject in
            let scenario = subject.scenario
            for (number, inventory) in subject.history.inventories.suffix(3).enumerated() {
                let mount = try scenario.mount("--at", inventory.name, name: "mnt\(number)")
                let mounted = try Tree(mount)
                for kind in ["copy", "auto", "hard"] {
                    let target = "\(scenario.directory)/\(kind)\(number)"
                    let run = try scenario.succeed("export", target, "--at", inventory.name, "--link", kind, "--json")
                    var exported = try Tree(target)
                    #expect(try run.record["files"] as? Int == mounted.files.count)
                    #expect(exported.modes == (mounted.files.isEmpty ? [] : [kind == "hard" ? 0o100444 : 0o100644]))
                    exported.modes = mounted.modes
                    if kind == "hard" { for path in exported.files.keys { exported.files[path]?.time = 0 } }
                    var expected = mounted
                    if kind == "hard" { for path in expected.files.keys { expected.files[path]?.time = 0 } }
                    #expect(exported == expected, "\(inventory.name) \(kind)")
                    var status = stat()
                    #expect(stat(target, &status) == 0)
                    #expect(Int64(status.st_mtim.tv_sec) == inventory.takenAt.milliseconds / 1000)
                    let again = try scenario.succeed("export", target, "--at", inventory.name, "--link", kind, "--json")
                    #expect(try again.record["skipped"] as? Int == mounted.files.count)
                }
            }
        }
    }

    @Test func aKilledExportGoesOn() throws {
        try Self.withStore { subject in
            let scenario = subject.scenario
            let name = try #require(subject.history.inventories.last?.name)
            try scenario.succeed("export", "\(scenario.directory)/whole", "--at", name)
            let whole = try Tree("\(scenario.directory)/whole")
            for round in 0..<6 {
                let target = "\(scenario.directory)/killed\(round)"
                let program = try scenario.start(["export", target, "--store", scenario.store, "--at", name])
                usleep(UInt32(5000 * round + 5000))
                program.kill(SIGKILL)
                _ = try program.wait()
                try scenario.succeed("export", target, "--at", name)
                #expect(try Tree(target) == whole)
            }
        }
    }

    @Test func nothingLeadsOutOfTheTarget() throws {
        try Self.withStore { subject in
            let scenario = subject.scenario
            let inventory = try #require(
                subject.history.inventories.last {
                    $0.rows.contains { $0.isLatest && $0.version.key.bytes.contains(47) }
                })
            let mounted = try scenario.mount("--at", inventory.name)
            let names = try Files.names(in: mounted)
            let outside = "\(scenario.directory)/outside"
            let target = "\(scenario.directory)/target"
            try Files.createDirectory(outside)
            try Files.createDirectory(target)
            try Files.replace("\(outside)/file", with: [1, 2, 3])
            for name in names {
                let isDirectory = Files.size("\(mounted)/\(name)") == nil
                try #require(symlink(isDirectory ? outside : "\(outside)/file", "\(target)/\(name)") == 0)
            }
            let run = try scenario.run("export", target, "--at", inventory.name)
            // A symbolic link in place of a directory stays, in place of a file it is replaced.
            #expect(run.status == 3 && run.stderr.contains("in the way"), "\(run)")
            #expect(try Files.names(in: outside) == ["file"])
            #expect(try Files.read("\(outside)/file", limit: 10) == [1, 2, 3])
            let before = try StoreDigest.of(scenario.store)
            for place in ["\(scenario.store)/blobs", scenario.store, "\(scenario.store)/new"] {
                #expect(try scenario.run("export", place).status == 64)
            }
            try? FileManager.default.removeItem(atPath: "\(scenario.store)/new")
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func whatIsMissingIsSaid() throws {
        try Self.withStore { subject in
            let scenario = subject.scenario
            let view = subject.history.snapshotView(try #require(subject.history.inventories.last?.name)) ?? [:]
            let version = try #require(view.values.first { $0.size > 0 })
            try Files.remove(subject.path(version))
            let missing = view.values.filter { $0.etag == version.etag }.count
            let run = try scenario.run("export", "\(scenario.directory)/target", "--json")
            let records = try run.records
            #expect(run.status == 3 && records.last?["missing"] as? Int == missing, "\(run)")
            #expect(records.count == missing + 1)
            let rehearsal = try scenario.run("export", "\(scenario.directory)/other", "--dry-run")
            #expect(rehearsal.status == 3 && !Files.exists("\(scenario.directory)/other"))
        }
    }

    @Test func aPrefixKeepsWholePaths() throws {
        try Self.withStore { subject in
            let scenario = subject.scenario
            let view = subject.history.snapshotView(try #require(subject.history.inventories.last?.name)) ?? [:]
            for prefix in ["a", "d/", "l", "dots/", "long/c", "nothing"] {
                let target = "\(scenario.directory)/\(prefix.replacing("/", with: "_"))"
                try scenario.succeed("export", target, "--prefix", prefix)
                let paths = Set(try Tree(target).files.keys)
                let whole = MountTree(view).nodes.filter { _, node in
                    if case .file(let version) = node { return version.key.hasPrefix(ByteString(prefix)) }
                    return false
                }
                #expect(paths == Set(whole.keys), "\(prefix)")
            }
        }
    }
}
