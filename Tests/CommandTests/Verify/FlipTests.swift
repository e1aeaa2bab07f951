import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Bits that change on the disk by themselves, and files that are cut: `verify` finds them, or they do not matter; no
/// command crashes; a repair brings back what the source has.
@Suite struct FlipTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    @Test func flippedBitsInBlobsAreFoundAndHealed() throws {
        try Scenario.withContents { scenario in
            var random = SplitMix64(seed: 1)
            let paths = try StoreDigest.files("\(scenario.store)/blobs").filter { !$0.hasSuffix("-0") }
            let before = try StoreDigest.blobs(scenario.store)
            let (flips, cuts) = Self.isSoak ? (500, 50) : (20, 4)
            var rest = flips + cuts
            // Several files at a time, each damaged once.
            while rest > 0 {
                var expected: Set<String> = []
                for path in random.shuffle(paths).prefix(min(rest, 20)) {
                    let full = "\(scenario.store)/blobs/\(path)"
                    try Scenario.change(full) { content in
                        if rest <= cuts {
                            content.removeLast(1 + random.below(content.count))
                        } else {
                            content[random.below(content.count)] ^= 1 << UInt8(random.below(8))
                        }
                    }
                    expected.insert(full)
                    rest -= 1
                }
                let findings = try scenario.findings(status: 1)
                #expect(Set(findings.keys) == expected)
                try expectNoCrash(scenario)
                #expect(try Set(scenario.findings("--repair", status: 0).keys) == expected)
                #expect(try StoreDigest.blobs(scenario.store) == before)
            }
        }
    }

    @Test func flippedBitsInTheIndexAreFoundOrDoNotMatter() throws {
        try Scenario.withContents(small: 200) { scenario in
            var random = SplitMix64(seed: 2)
            let path = "\(scenario.store)/index.sqlite"
            // Nothing may lie in the log beside it.
            for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
            let good = try Files.read(path, limit: 1 << 28)
            let views = try scenario.views()
            let (flips, cuts) = Self.isSoak ? (500, 50) : (26, 4)
            var found = 0
            for number in 0..<flips + cuts {
                var bad = good
                let place: Int
                if number < flips {
                    // The header of the file and the ends of pages get their share.
                    place =
                        number % 8 == 0 ? random.below(100) : random.below(good.count)
                    bad[place] ^= 1 << UInt8(random.below(8))
                } else {
                    place = random.below(good.count)
                    bad = Array(good[..<place])
                }
                try write(bad, to: path)
                let run = try scenario.run("verify", "--json")
                #expect(run.status < 128, "byte \(place): \(run)")
                if run.status == 0 {
                    #expect(try scenario.views() == views, "byte \(place)")
                } else {
                    found += 1
                    #expect(!run.stdout.isEmpty || run.complaints.count <= 2, "byte \(place): \(run)")
                }
                try expectNoCrash(scenario, mounts: number % 10 == 0)
                try write(good, to: path)
            }
            #expect(found > (flips + cuts) / 4, "most of an index matters")
            #expect(try scenario.views() == views)
        }
    }

    private func write(_ content: [UInt8], to path: String) throws {
        for suffix in ["-wal", "-shm"] { try Files.remove(path + suffix) }
        try Files.replace(path, with: content)
    }

    /// Every command that reads ends in one of its own ways.
    private func expectNoCrash(_ scenario: Scenario, mounts: Bool = false) throws {
        let commands = [
            ["ls", "-R"], ["ls", "-R", "--at", "2024-03-02T12:30:00Z"], ["versions", "small/2/2"], ["status"],
            ["snapshots"],
            ["cat", "small/2/2"], ["diff", Scenario.inventoryNames[0], "latest"],
        ]
        for command in commands {
            let run = try scenario.run([command[0], "--store", scenario.store] + command.dropFirst())
            #expect(run.status < 124, "\(run)")
        }
        guard mounts else { return }
        let point = "\(scenario.directory)/damaged"
        try Files.createDirectory(point)
        let run = try scenario.run(["mount", point, "--store", scenario.store])
        #expect(run.status < 124, "\(run)")
        guard run.status == 0 else { return }
        let walk = try scenario.shell("timeout 50 find '\(point)' -type f -exec cat {} + > /dev/null 2>&1; echo $?")
        #expect(walk.text != "124\n", "\(walk)")
        // A daemon that had crashed would leave a mount that answers nothing.
        #expect(Files.exists(point))
        scenario.unmount(point)
    }
}
