import Basics
import Foundation
import Testbed
import Testing

/// How contents get from a tree into a store: cloned, copied, linked or moved, on one file system and across two; and what a
/// kill leaves.
@Suite struct AdoptLinkTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let rows: [Row] = {
        var rows = (0..<120).map { Row("d\($0 % 7)/\($0)", bytes("content \($0)")) }
        rows += (0..<4).map { Row("large/\($0)", RealBucket.content(seed: UInt64($0 + 50), count: 1_500_000)) }
        rows += ["same/1", "same/2"].map { Row($0, RealBucket.content(seed: 99, count: 300_000)) }
        let parted = RealBucket.content(seed: 9, count: 6 << 20)
        rows += [Row("empty", []), AdoptTests.parted("parted", parted, partSize: 5 << 20)]
        return rows
    }()
    private static let contents = Set(rows.map(\.content)).count

    private func fill(_ path: String) throws -> MirrorTree {
        let tree = try MirrorTree(path)
        for row in Self.rows { try tree.write(row.key, row.content) }
        try tree.write("wrong/0", bytes("content X"))
        return tree
    }

    /// A store that knows the rows and has nothing, and a mirror elsewhere.
    private func withMirror(
        store: TestDisk? = nil, tree: TestDisk? = nil, _ body: (Scenario, MirrorTree) throws -> Void
    ) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows + [Row("wrong/0", bytes("content Y"))])
            func withTree() throws {
                try scenario.succeed("sync", "--metadata-only")
                if let tree {
                    try scenario.withDisk(tree) { point in try body(scenario, try fill("\(point)/mirror")) }
                } else {
                    try body(scenario, try fill("\(scenario.directory)/mirror"))
                }
            }
            if let store { try scenario.withStore(on: store) { _ in try withTree() } } else { try withTree() }
        }
    }

    private func inode(_ path: String) -> UInt {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt(status.st_ino) : 0
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// Whether two files share their blocks, as far as the file system tells: `filefrag` marks those.
    private func areShared(_ path: String, _ scenario: Scenario) throws -> Bool {
        try scenario.shell("exec /usr/sbin/filefrag -v '\(path)'").text.contains("shared")
    }

    @Test(arguments: ["reflink", "copy"], [TestDisk.ext4(kibibytes: 120_000), .xfs(mebibytes: 320)])
    func clonesAndCopiesLeaveTheTreeAsItWas(link: String, disk: TestDisk) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows + [Row("wrong/0", bytes("content Y"))])
            try scenario.withStore(on: disk) { point in
                try scenario.succeed("sync", "--metadata-only")
                let tree = try fill("\(point)/mirror")
                let before = try tree.digest()
                let run = try scenario.succeed("adopt", tree.path, "--link", link)
                let clones = if case .xfs = disk { link == "reflink" } else { false }
                #expect(run.text.contains("clones") == clones, "\(run)")
                for row in Self.rows.suffix(3) where row.content.count > 4096 {
                    #expect(try areShared(scenario.blob(row), scenario) == clones, "\(row.key)")
                }
                #expect(try tree.digest() == before)
                #expect(try scenario.blobs.count == Self.contents)
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
                for blob in try scenario.blobs { #expect(mode("\(scenario.store)/blobs/\(blob)") & 0o222 == 0) }
                #expect(try scenario.keysOfSync() == ["wrong/0"])
                try scenario.expectSound()
            }
        }
    }

    @Test func hardLinksAreReadOnly() throws {
        try withMirror { scenario, tree in
            let before = try tree.digest()
            let run = try scenario.succeed("adopt", tree.path, "--link", "hard")
            #expect(run.text.contains("\(Self.contents) hard links"), "\(run)")
            var linked = 0
            for row in Self.rows {
                let (file, blob) = ("\(tree.path)/\(row.key)", scenario.blob(row))
                guard inode(file) == inode(blob) else { continue }
                linked += 1
                #expect(mode(blob) & 0o222 == 0)
                #expect(try Files.read(file, limit: 1 << 24).isSame(as: row.content))
            }
            #expect(linked == Self.contents)
            // What was not taken is what it was.
            for (path, digest) in try tree.digest() where path.hasPrefix("wrong") { #expect(before[path] == digest) }
            #expect(try tree.digest().keys == before.keys)
            try scenario.expectSound()
            let again = try scenario.adopt(tree.path, "--link", "hard")
            #expect(again.counts["adopted"] == 0 && again.counts["alreadyThere"] == Self.rows.count, "\(again.run)")
        }
    }

    @Test(arguments: [nil, TestDisk.tmpfs(kibibytes: 60_000), .exFAT(mebibytes: 60)])
    func movedFilesLeaveTheTree(disk: TestDisk?) throws {
        try withMirror(tree: disk) { scenario, tree in
            // Others have this file under another name: they could change it.
            let shared = "\(tree.path)/large/0"
            if disk == nil { #expect(Glibc.link(shared, "\(scenario.directory)/elsewhere") == 0) }
            let run = try scenario.succeed("adopt", tree.path, "--link", "move")
            #expect(run.text.contains("\(Self.contents) files moved"), "\(run)")
            // The second one of two with the same content stays.
            let left = try StoreDigest.files(tree.path)
            #expect(left.count == 2 && left[0].hasPrefix("same/") && left[1] == "wrong/0", "\(left)")
            for row in Self.rows {
                #expect(try Files.read(scenario.blob(row), limit: 1 << 24).isSame(as: row.content), "\(row.key)")
                #expect(mode(scenario.blob(row)) & 0o222 == 0)
            }
            if disk == nil {
                let row = try #require(Self.rows.first { $0.key == "large/0" })
                #expect(inode("\(scenario.directory)/elsewhere") != inode(scenario.blob(row)))
                #expect(mode("\(scenario.directory)/elsewhere") == 0o644)
            }
            #expect(try scenario.keysOfSync() == ["wrong/0"])
            try scenario.expectSound()
        }
    }

    @Test(arguments: ["hard", "reflink", "copy"])
    func acrossFileSystemsEverythingIsCopied(link: String) throws {
        try withMirror(tree: .tmpfs(kibibytes: 60_000)) { scenario, tree in
            let before = try tree.digest()
            let run = try scenario.succeed("adopt", tree.path, "--link", link)
            #expect(!run.text.contains("clone") && !run.text.contains("hard link"), "\(run)")
            #expect(try tree.digest() == before)
            #expect(try scenario.blobs.count == Self.contents)
            try scenario.expectSound()
        }
    }

    @Test func aFullDiskLosesNothingAndTheRestComesLater() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            let tree = try fill("\(scenario.directory)/mirror")
            try scenario.withStore(on: .ext4(kibibytes: 60_000)) { point in
                try scenario.succeed("sync", "--metadata-only")
                try scenario.fill(point, leaving: 4000)
                let full = try scenario.run("adopt", tree.path, "--link", "move")
                #expect(full.status == 1 && full.stderr.contains("No space left on device"), "\(full)")
                let left = Set(try StoreDigest.files(tree.path))
                for row in Self.rows where !left.contains(row.key) {
                    #expect(try Files.read(scenario.blob(row), limit: 1 << 24).isSame(as: row.content), "\(row.key)")
                }
                try Files.remove("\(point)/filler")
                try scenario.succeed("adopt", tree.path)
                #expect(try scenario.blobs.count == Self.contents)
                #expect(try scenario.keysOfSync().isEmpty)
                try scenario.expectSound()
            }
        }
    }

    @Test(arguments: ["copy", "hard", "move"])
    func aKilledAdoptionIsFinishedByTheNext(link: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows + [Row("wrong/0", bytes("content Y"))])
            var killed = 0
            var delay = KillDelay(longest: 0)
            for round in 0..<8 {
                if Files.exists("\(scenario.store)/icecore.json"), round > 0 {
                    try FileManager.default.removeItem(atPath: scenario.store)
                    try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
                }
                try scenario.succeed("sync", "--metadata-only")
                let tree = try fill("\(scenario.directory)/mirror-\(round)")
                let words = ["adopt", tree.path, "--store", scenario.store, "--link", link]
                if round > 0 {
                    let program = try scenario.start(words)
                    _ = Clock.wait(seconds: delay.longest * Double.random(in: 0...1)) { program.hasEnded }
                    program.kill(SIGKILL)
                    let isKilled = try program.wait().status == 128 + SIGKILL
                    delay.note(isKilled: isKilled)
                    killed += isKilled ? 1 : 0
                    // Whatever has left the tree is in the store.
                    let left = Set(try StoreDigest.files(tree.path))
                    for row in Self.rows where !left.contains(row.key) {
                        let blob = try Files.read(scenario.blob(row), limit: 1 << 24)
                        #expect(blob.isSame(as: row.content), "\(row.key)")
                    }
                }
                let whole = try KillDelay {
                    let run = try scenario.run(words)
                    #expect(run.status == 0, "\(run)")
                }
                if round == 0 { delay = whole }
                #expect(try scenario.blobs.count == Self.contents)
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
                if link == "move" {
                    let left = try StoreDigest.files(tree.path)
                    #expect(left.count == 2 && left[0].hasPrefix("same/") && left[1] == "wrong/0", "\(left)")
                }
                try scenario.expectSound()
                #expect(try scenario.keysOfSync() == ["wrong/0"])
            }
            #expect(killed >= 3)
        }
    }

    @Test func anInterruptedAdoptionEndsSoonAndSaysHowToGoOn() throws {
        try withMirror { scenario, tree in
            for number in 0..<4 {
                // Zeros that take no room.
                try tree.write("huge/\(number)", [])
                #expect(truncate("\(tree.path)/huge/\(number)", 2 << 30) == 0)
            }
            let rows = (0..<4).map { number in
                Row("huge/\(number)", []).with { row in
                    row.size = "\(2 << 30)"
                    row.etag = String(repeating: "\(number)", count: 32)
                }
            }
            try scenario.folder.write("2024-03-03T01-00Z", rows)
            try scenario.succeed("sync", "--metadata-only")
            let program = try scenario.start(["adopt", tree.path, "--store", scenario.store])
            let isReading = Clock.wait(seconds: 30) {
                (0..<4).contains { program.hasOpen("\(tree.path)/huge/\($0)") }
            }
            #expect(isReading)
            let start = MonotonicClock.milliseconds()
            program.kill(SIGINT)
            let run = try program.wait(seconds: 20)
            #expect(run.status == 1 && run.stderr.contains("Run the same command again to go on"), "\(run)")
            #expect(MonotonicClock.milliseconds() - start < 5000)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
        }
    }
}
