import Basics
import Foundation
import Testbed
import Testing

/// Prunes of a store whose disk is full: that is when people prune.
@Suite struct FullDiskPruneTests {
    typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]

    /// A store of two snapshots, each with a dozen contents that the other has not, on a disk with blocks of 1 KiB (as
    /// ext4 has them on small disks) or of 4 KiB.
    private func use(_ disk: TestDisk, _ body: (Scenario, _ point: String) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: disk) { point in
                for (day, name) in Self.names.enumerated() {
                    let rows = (0..<60).map { number in
                        Row(
                            "key/\(number)",
                            RealBucket.content(seed: UInt64(number * 2 + day), count: number < 12 ? 100_000 : 20),
                            at: "2024-03-0\(day + 1)T02:00:00.000Z")
                    }
                    try scenario.add(name, rows)
                    try scenario.succeed("sync")
                }
                try body(scenario, point)
            }
        }
    }

    @Test(arguments: [TestDisk.ext4(kibibytes: 24 << 10), .tmpfs(kibibytes: 24 << 10)])
    func aPruneMakesRoomOnAFullDisk(disk: TestDisk) throws {
        try use(disk) { scenario, point in
            for free in [0, 16] {
                try scenario.fill(point, leaving: free)
                let run = try scenario.run("prune", "--keep-last", "1")
                #expect(run.status == 0, "\(free) KiB: \(run)")
                let freed = try Files.freeBytes(point)
                #expect(freed > 1_000_000, "\(free) KiB: \(freed)")
                #expect(try scenario.run("verify").status == 0)
                try Files.remove("\(point)/filler")
                if free > 0 { break }
                // Once more: it has something to prune again, and a reserve again.
                let rows = (0..<60).map { number in
                    Row(
                        "key/\(number)",
                        RealBucket.content(seed: UInt64(number + 500), count: number < 12 ? 100_000 : 20),
                        at: "2024-03-04T02:00:00.000Z")
                }
                try scenario.add("2024-03-05T01-00Z", rows)
                try scenario.succeed("sync")
                #expect(Files.exists("\(scenario.store)/reserve"))
            }
        }
    }

    /// Without the reserve, there may be too little room, which is said; nothing dies, and nothing is damaged.
    @Test(arguments: [0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64])
    func nothingDiesOnADiskWithSmallBlocks(free: Int) throws {
        try use(.ext4(kibibytes: 24 << 10)) { scenario, point in
            try scenario.folder.write("2024-03-05T01-00Z", [Row("new", bytes("new"))])
            for words in [["sync", "--metadata-only"], ["prune", "--keep-last", "1"], ["reindex"]] {
                try Files.remove("\(scenario.store)/reserve")
                try scenario.fill(point, leaving: free)
                let run = try scenario.run(words + ["--store", scenario.store])
                #expect(run.status == 0 || run.status == 1, "\(free) KiB: \(run)")
                if run.status != 0 {
                    let says = ["disk is full", "No space left"].contains { run.stderr.contains($0) }
                    #expect(says, "\(free) KiB: \(run)")
                    #expect(!run.stderr.contains("CREATE TABLE"), "\(run)")
                }
                try Files.remove("\(point)/filler")
                #expect(try scenario.run("verify").status == 0, "\(free) KiB: \(words)")
            }
        }
    }
}
