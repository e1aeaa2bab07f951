import Basics
import Foundation
import Testbed
import Testing

/// One writer at a time, and what the second one is told.
@Suite struct LockTests {
    typealias Row = InventoryFolder.Row

    private struct LockRecord: Codable, Equatable {
        var pid: Int32
        var host: String
        var boot: String?
        var since: String
        var command: String
        var ended: String?
    }

    private func holder(_ sync: SyncBench) throws -> LockRecord {
        try JSONDecoder().decode(LockRecord.self, from: Data(Files.read("\(sync.bench.store)/lock", limit: 4096)))
    }

    private func write(_ holder: LockRecord, _ sync: SyncBench) throws {
        try Files.replace("\(sync.bench.store)/lock", with: [UInt8](try JSONEncoder().encode(holder)))
    }

    private static let writers = [
        ["sync"], ["prune", "--keep-last", "1"], ["verify", "--repair"], ["reindex"],
        ["prune", "--keep-last", "1", "--dry-run"],
    ]

    @Test func theSecondWriterIsToldWhoHoldsTheLockAndSinceWhen() throws {
        try SyncBench.use { sync in
            try sync.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            try sync.bench.succeed("sync")
            try sync.server.reset()
            var faults = FaultServer.Faults()
            faults.stall = 1
            try sync.server.set(faults)
            try sync.add("2024-03-03T01-00Z", [Row("key", bytes("newer"))])
            let start = Timestamp.now()
            let first = try sync.bench.start(["sync", "--store", sync.bench.store])
            #expect(try Clock.wait(seconds: 60) { try sync.server.statistics().requests > 0 })
            let held = try holder(sync)
            #expect(held.command == "icecore sync" && held.pid == first.process && held.ended == nil)
            let since = try #require(Timestamp(rfc3339: held.since))
            #expect(since >= start && since <= .now())
            let before = try StoreDigest.of(sync.bench.store)
            for words in Self.writers {
                let run = try sync.bench.run([words[0], "--store", sync.bench.store] + words.dropFirst())
                #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
                for text in ["'icecore sync'", "process \(held.pid)", held.host, held.since, "wait for it, or stop it"]
                {
                    #expect(run.stderr.contains(text), "should say '\(text)': \(run)")
                }
            }
            StoreDigest.expectSame(try StoreDigest.of(sync.bench.store), before)
            // Readers wait for nobody.
            #expect(try sync.bench.succeed("cat", "key").text == "content")
            #expect(try sync.bench.run("verify").status == 0)
            first.kill(SIGKILL)
            _ = try first.wait()
            try sync.server.reset()
            // The kernel has let go of it, whatever the file says.
            #expect(try holder(sync) == held)
            try sync.bench.succeed("sync")
            let last = try holder(sync)
            #expect(last.pid != held.pid && last.ended.flatMap { Timestamp(rfc3339: $0) } != nil)
        }
    }

    @Test func theLockOfAnotherMachineIsBelievedWhereLocksMayBeHidden() throws {
        let (fuse, ext4) = ("0x65735546", "0xEF53")
        try SyncBench.use { sync in
            try sync.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            try sync.bench.succeed("sync")
            let own = try holder(sync)
            let other = LockRecord(
                pid: 17, host: "elsewhere.example", boot: "00000000-0000-4000-8000-000000000000",
                since: "2026-03-02T01:00:00Z", command: "icecore prune")
            func shared(_ kind: String) throws -> [String: String] {
                try FaultShim.environment(["FAULT_STATFS": kind])
            }
            for words in Self.writers {
                try write(other, sync)
                let before = try StoreDigest.of(sync.bench.store)
                let run = try sync.bench.run(
                    [words[0], "--store", sync.bench.store] + words.dropFirst(), environment: shared(fuse))
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                for text in [
                    "'icecore prune'", "process 17", other.host, other.since, "FUSE", "\(sync.bench.store)/lock",
                ] {
                    #expect(run.stderr.contains(text), "should say '\(text)': \(run)")
                }
                #expect(try holder(sync) == other)
                StoreDigest.expectSame(try StoreDigest.of(sync.bench.store), before)
            }
            // A disk of one machine, that was moved here; one that ended; one of before the last start of this machine.
            var ended = other
            ended.ended = "2026-03-02T02:00:00Z"
            var restarted = other
            restarted.host = own.host
            var old = other
            old.boot = nil
            for (holder, kind) in [(other, ext4), (ended, fuse), (restarted, fuse), (old, fuse)] {
                try write(holder, sync)
                let run = try sync.bench.run("sync", environment: shared(kind))
                #expect(run.status == 0, "\(run)")
            }
            // As the sentence says.
            try write(other, sync)
            try Files.remove("\(sync.bench.store)/lock")
            #expect(try sync.bench.run("sync", environment: shared(fuse)).status == 0)
            #expect(try holder(sync).ended != nil)
        }
    }
}
