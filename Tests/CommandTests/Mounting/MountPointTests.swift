import Basics
import Foundation
import Glibc
import Testbed
import Testing

/// Where a mount may be, and with how little it can do.
@Suite struct MountPointTests {
    typealias Row = InventoryFolder.Row
    private static let name = "2024-03-02T01-00Z"

    @Test func filesAreNotHiddenUnasked() throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Row("key", bytes("of the bucket"))])
            try scenario.succeed("sync")
            let point = "\(scenario.directory)/thesis"
            try Files.createDirectory(point)
            try Files.replace("\(point)/chapter 1", with: bytes("precious"))
            scenario.noteMount(point)
            for words in [[], ["--foreground"], ["--history"]] {
                let run = try scenario.run(["mount", point, "--store", scenario.store] + words)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                for part in ["'\(point)' is not empty", "'chapter 1'", "--allow-non-empty"] {
                    #expect(run.stderr.contains(part), "\(part): \(run)")
                }
                #expect(!Scenario.isMounted(point))
            }
            #expect(try Files.names(in: point) == ["chapter 1"])
            let run = try scenario.run(["mount", point, "--allow-non-empty", "--store", scenario.store])
            #expect(run.status == 0, "\(run)")
            #expect(try Files.names(in: point) == ["key"])
            scenario.unmount(point)
            #expect(try Files.read("\(point)/chapter 1", limit: 100) == bytes("precious"))
        }
    }

    /// Contents of more than a READ stay open between two of them.
    @Test func sixtyFourOpenFilesAreEnoughToFetchAndToReadInPieces() throws {
        try Scenario.withBucket { scenario in
            let small = (0..<300).map { Row("small/\($0)", bytes("content \($0)")) }
            let large = (0..<40).map { Row("large/\($0)", RealBucket.content(seed: UInt64($0), count: 600_000)) }
            try scenario.add(Self.name, small + large)
            var faults = FaultServer.Faults()
            // So that as many requests as may be are on their way at the same time.
            faults.latency = 0.1
            try scenario.server.set(faults)
            let sync = try scenario.shell("ulimit -n 64; exec \"$ICECORE\" sync --store \"$STORE\" --json")
            #expect(sync.status == 0 && sync.stderr.isEmpty, "\(sync)")
            #expect(try sync.record["fetched"] as? Int == 340 && sync.record["retries"] as? Int == 0, "\(sync)")
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            scenario.noteMount(point)
            let run = try scenario.shell(
                """
                (ulimit -n 64; exec "$ICECORE" mount mnt --no-passthrough --store "$STORE") || exit
                for i in 1 2 3 4; do
                    find mnt/large -type f | sort -R | xargs -n 1 dd bs=100k iflag=direct of=/dev/null status=none \
                        | wc -c &
                    for file in mnt/large/*; do dd if=$file bs=64k of=/dev/null status=none || echo "$file"; done &
                done; wait
                """)
            #expect(run.status == 0 && !run.text.contains("mnt/large") && !run.stderr.contains("open files"), "\(run)")
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(!log.contains("Too many open files"), "\(log)")
        }
    }
}
