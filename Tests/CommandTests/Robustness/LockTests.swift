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

    private func holder(_ scenario: Scenario) throws -> LockRecord {
        try JSONDecoder().decode(LockRecord.self, from: Data(Files.read("\(scenario.store)/lock", limit: 4096)))
    }

    private func write(_ holder: LockRecord, _ scenario: Scenario) throws {
        try Files.replace("\(scenario.store)/lock", with: [UInt8](try JSONEncoder().encode(holder)))
    }

    private static let writers = [
        ["sync"], ["prune", "--keep-last", "1"], ["verify", "--repair"], ["reindex"],
        ["prune", "--keep-last", "1", "--dry-run"], ["adopt", "inventories"],
    ]

    @Test func theSecondWriterIsToldWhoHoldsTheLockAndSinceWhen() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            try scenario.succeed("sync")
            try scenario.server.reset()
            var faults = FaultServer.Faults()
            faults.stall = 1
            try scenario.server.set(faults)
            try scenario.add("2024-03-03T01-00Z", [Row("key", bytes("newer"))])
            let start = Timestamp.now()
            let first = try scenario.start(["sync", "--store", scenario.store])
            #expect(try Clock.wait(seconds: 60) { try scenario.server.statistics().requests > 0 })
            let held = try holder(scenario)
            #expect(held.command == "icecore sync" && held.pid == first.process && held.ended == nil)
            let since = try #require(Timestamp(rfc3339: held.since))
            #expect(since >= start && since <= .now())
            let before = try StoreDigest.of(scenario.store)
            for words in Self.writers {
                let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
                #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
                for text in ["'icecore sync'", "process \(held.pid)", held.host, held.since, "wait for it, or stop it"]
                {
                    #expect(run.stderr.contains(text), "should say '\(text)': \(run)")
                }
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            // Readers wait for nobody.
            #expect(try scenario.succeed("cat", "key").text == "content")
            #expect(try scenario.run("verify").status == 0)
            first.kill(SIGKILL)
            _ = try first.wait()
            try scenario.server.reset()
            // The kernel has let go of it, whatever the file says.
            #expect(try holder(scenario) == held)
            try scenario.succeed("sync")
            let last = try holder(scenario)
            #expect(last.pid != held.pid && last.ended.flatMap { Timestamp(rfc3339: $0) } != nil)
        }
    }

    @Test func theLockOfAnotherMachineIsBelievedWhereLocksMayBeHidden() throws {
        let (fuse, ext4) = ("0x65735546", "0xEF53")
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            try scenario.succeed("sync")
            let own = try holder(scenario)
            let other = LockRecord(
                pid: 17, host: "elsewhere.example", boot: "00000000-0000-4000-8000-000000000000",
                since: "2026-03-02T01:00:00Z", command: "icecore prune")
            func shared(_ kind: String) throws -> [String: String] {
                try FaultShim.environment(["FAULT_STATFS": kind])
            }
            for words in Self.writers {
                try write(other, scenario)
                let before = try StoreDigest.of(scenario.store)
                let run = try scenario.run(
                    [words[0], "--store", scenario.store] + words.dropFirst(), environment: shared(fuse))
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                for text in [
                    "'icecore prune'", "process 17", other.host, other.since, "FUSE", "\(scenario.store)/lock",
                ] {
                    #expect(run.stderr.contains(text), "should say '\(text)': \(run)")
                }
                #expect(try holder(scenario) == other)
                StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            }
            // A disk of one machine, that was moved here; one that ended; one of before the last start of this machine.
            var ended = other
            ended.ended = "2026-03-02T02:00:00Z"
            var restarted = other
            restarted.host = own.host
            var old = other
            old.boot = nil
            for (holder, kind) in [(other, ext4), (ended, fuse), (restarted, fuse), (old, fuse)] {
                try write(holder, scenario)
                let run = try scenario.run("sync", environment: shared(kind))
                #expect(run.status == 0, "\(run)")
            }
            // As the sentence says.
            try write(other, scenario)
            try Files.remove("\(scenario.store)/lock")
            #expect(try scenario.run("sync", environment: shared(fuse)).status == 0)
            #expect(try holder(scenario).ended != nil)
        }
    }

    /// Starts a program that holds a lock for some seconds, and waits until it has it.
    private func hold(_ scenario: Scenario, _ path: String, _ words: [String]) throws -> RunningProgram {
        let holder = try RunningProgram(
            words[0], words.dropFirst().map { Array($0.utf8) }, environment: ["PATH": "/usr/bin:/bin"],
            currentDirectory: scenario.directory, outputs: "\(scenario.directory)/outputs")
        var status = stat()
        let isHeld = Clock.wait(seconds: 60) {
            guard let locks = try? Files.read("/proc/locks", limit: 1 << 24) else { return false }
            return stat(path, &status) == 0 && String(decoding: locks, as: UTF8.self).contains(":\(status.st_ino) ")
        }
        try #require(isHeld)
        return holder
    }

    @Test func aPushThatWaitsSaysForWhom() throws {
        try Scenario.withContents(small: 3) { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [Row("new", bytes("new"))])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let lock = "\(scenario.directory)/replica/lock"
            let holder = try hold(scenario, lock, ["/usr/bin/flock", lock, "sleep", "4"])
            let push = try scenario.push(place)
            #expect(push.stderr.contains("waiting to change '\(scenario.directory)/replica/latest.json'"), "\(push)")
            #expect(
                push.stderr.contains("'flock \(lock) sleep 4' (process \(holder.process)) holds the lock"), "\(push)")
            #expect(push.stderr.split(separator: "\n").filter { $0.contains("waiting") }.count == 1, "\(push)")
            _ = try holder.wait()
        }
    }

    @Test func aWriterThatWaitsForTheIndexSaysForWhom() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            let script = """
                import sqlite3, sys, time
                index = sqlite3.connect(sys.argv[1], isolation_level=None)
                index.execute("BEGIN IMMEDIATE")
                time.sleep(4)
                """
            let index = "\(scenario.store)/index.sqlite"
            let holder = try hold(scenario, "\(index)-shm", ["/usr/bin/python3", "-c", script, index])
            let sync = try scenario.succeed("sync")
            #expect(sync.stderr.contains("waiting to write to '\(index)': 'python3"), "\(sync)")
            #expect(sync.stderr.contains("(process \(holder.process)) holds the lock"), "\(sync)")
            _ = try holder.wait()
        }
    }

    @Test func whoPreventsAPruneIsNamed() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("key", bytes("content"))])
            try scenario.succeed("sync")
            let lock = "\(scenario.store)/push.lock"
            let holder = try hold(scenario, lock, ["/usr/bin/flock", "-s", lock, "sleep", "60"])
            let prune = try scenario.run("prune", "--keep-last", "1")
            #expect(prune.status == 1, "\(prune)")
            #expect(
                prune.stderr.contains("is being pushed to a replica by 'flock -s \(lock) sleep 60'"), "\(prune)")
            #expect(prune.stderr.contains("(process \(holder.process)): wait for the push"), "\(prune)")
            holder.kill(SIGKILL)
        }
    }
}
