import Basics
import CFuse3
import Foundation
import Glibc
import Testbed
import Testing

/// Small files out of packs that the kernel has before they are asked for.
@Suite struct NeighbourTests {
    private static let rows = (0..<2500).map { number in
        InventoryFolder.Row(
            "many/\(String(repeating: "0", count: 4 - "\(number)".count))\(number)",
            RealBucket.content(seed: UInt64(number), count: 1 + number * 7919 % 9000))
    }

    @Test func neighboursArriveBeforeTheyAreAskedFor() throws {
        try Scenario.withBucket(packBelow: "64K") { scenario in
            try scenario.add(Scenario.inventoryNames[0], Self.rows)
            try scenario.succeed("sync", "--jobs", "1")
            let mount = try scenario.mount()
            let files = try Files.names(in: "\(mount)/many").sorted().map { "\(mount)/many/\($0)" }
            #expect(files.count == Self.rows.count)
            // Beyond the first piece of the listing, which comes without attributes.
            for number in 0..<1000 {
                #expect(try Files.read(files[number], limit: 10_000) == Self.rows[number].content)
            }
            let isAhead = Clock.wait(seconds: Patience.seconds(5)) {
                (1000..<1100).contains { Self.isCached(files[$0], Self.rows[$0].content.count) }
            }
            #expect(isAhead)
            for (file, row) in zip(files, Self.rows).reversed() {
                #expect(try Files.read(file, limit: 10_000) == row.content)
            }
        }
    }

    /// Two that read the same directory from different places, and one that skips files: nobody gets another file's bytes.
    @Test(arguments: [false, true]) func severalReadersInOneDirectory(hasHistory: Bool) throws {
        try Scenario.withBucket(packBelow: "64K") { scenario in
            try scenario.add(Scenario.inventoryNames[0], Self.rows)
            try scenario.succeed("sync")
            let mount = try hasHistory ? scenario.mount("--history") : scenario.mount()
            let directory = "\(mount)/\(hasHistory ? "latest/" : "")many"
            let group = DispatchGroup()
            let wrong = Counter()
            for part in 0..<3 {
                DispatchQueue.global().async(group: group) {
                    guard let names = try? Files.names(in: directory).sorted(), names.count == Self.rows.count else {
                        return wrong.add()
                    }
                    for number in Self.rows.indices.dropFirst(part * 700) where part < 2 || number % 5 == 0 {
                        let content = try? Files.read("\(directory)/\(names[number])", limit: 10_000)
                        if content != Self.rows[number].content { wrong.add() }
                    }
                }
            }
            group.wait()
            #expect(wrong.count == 0)
        }
    }

    private final class Counter: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var count = 0
        func add() { lock.withLock { count += 1 } }
    }

    /// Whether the page cache has all of a file.
    private static func isCached(_ path: String, _ size: Int) -> Bool {
        guard let file = try? File(path, O_RDONLY),
            let memory = mmap(nil, size, PROT_READ, MAP_SHARED, file.descriptor, 0), memory != MAP_FAILED
        else { return false }
        defer { munmap(memory, size) }
        var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
        return mincore(memory, size, &pages) == 0 && pages.allSatisfy { $0 & 1 == 1 }
    }
}
