import Basics
import Foundation
import Testbed
import Testing

/// Stores on file systems that lack something: on those of clusters, in FUSE, on shared folders of virtual machines.
@Suite struct OddDiskTests {
    typealias Row = InventoryFolder.Row

    /// What such file systems lack, and what they say to who asks for it.
    private static let lacks = [
        // A link to a file without a name is refused, though such files can be made; then names have to be taken as on FAT.
        "linkat=1,link=1,renameat2=22", "linkat=95,link=95,renameat2=38", "linkat=18,link=18,renameat2=95",
        // It finds no file without a name.
        "linkat=2",
        // Neither files without names nor links: BeeGFS, AFS, vboxsf.
        "O_TMPFILE=95,linkat=1,link=1,renameat2=1", "O_TMPFILE=22,linkat=18,link=18,renameat2=22,fchmod=1",
        // Only one of them.
        "O_TMPFILE=95,renameat2=22", "O_TMPFILE=95,linkat=1,link=1", "fchmod=38",
    ]

    @Test func everythingWorksOnADiskWithoutLinksAndUnnamedFiles() throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .exFAT(mebibytes: 160)) { point in
                try expectEverything(scenario, beside: "\(point)/beside")
            }
        }
    }

    @Test(arguments: lacks)
    func everythingWorksWithoutWhatAFileSystemMayLack(lack: String) throws {
        try Scenario.withBucket { scenario in
            scenario.environment.merge(try FaultShim.environment(["FAULT_LACK": lack])) { $1 }
            let run = try scenario.run(["init", "\(scenario.directory)/other", "--bucket", "s3://bucket"])
            #expect(run.status == 0, "\(run)")
            try expectEverything(scenario, beside: "\(scenario.directory)/beside")
        }
    }

    /// What a store can do, done: nothing fails, and in the end it is sound.
    private func expectEverything(_ scenario: Scenario, beside: String) throws {
        try scenario.addContents()
        let views = try scenario.views()
        #expect(try scenario.findings(status: 0).isEmpty)
        // A content in pieces, and many at once.
        let large = Row("large", RealBucket.content(seed: 11, count: 3 << 20))
        let more = (0..<60).map { Row("more/\($0)", bytes("more of it \($0)")) }
        try scenario.add("2024-03-04T01-00Z", scenario.rows + [large] + more)
        let sync = try scenario.run("sync", "--json", "--chunk-threshold", "1M", "--chunk-size", "1M")
        #expect(try sync.status == 0 && sync.record["fetched"] as? Int == 61, "\(sync)")
        // What a mount fetches.
        let (missing, other) = (try scenario.row("small/1/4"), try scenario.row("parted"))
        for row in [missing, large, other] { try Files.remove(scenario.blob(row)) }
        let mount = try scenario.mount()
        for row in [missing, large, other] {
            #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 24) == row.content)
        }
        #expect(Clock.wait(seconds: 30) { [missing, large, other].allSatisfy { Files.exists(scenario.blob($0)) } })
        scenario.unmount(mount)
        // What was damaged, of the right size and of another.
        for (row, change) in [(try scenario.row("small/2/2"), 0), (try scenario.row("small/0/3"), 1)] {
            try Scenario.change(scenario.blob(row)) { content in
                if change == 0 { content[0] ^= 1 } else { content.removeLast() }
            }
        }
        _ = try scenario.findings("--repair", status: 0)
        #expect(try Files.names(in: "\(scenario.store)/quarantine").count == 3, "two blobs and a log")
        let later = try scenario.views()
        try scenario.succeed("reindex")
        #expect(
            try Files.names(in: "\(scenario.store)/quarantine").contains { $0.hasPrefix("index-") },
            "the old index is kept")
        #expect(try scenario.views() == later)
        #expect(later.prefix(2) == views.prefix(2))
        // There and back again.
        let place = ReplicaPlace(url: "file://\(beside)/replica", flags: [], environment: [:], server: nil)
        try Files.createDirectories(beside)
        try scenario.push(place)
        let clone = try scenario.run(["clone", place.url, "\(beside)/clone"])
        #expect(clone.status == 0, "\(clone)")
        try scenario.expectSame("\(beside)/clone", as: scenario.store)
        try scenario.succeed("prune", "--keep-last", "1")
        #expect(try scenario.findings(status: 0).isEmpty)
        #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
    }

    @Test func aKilledSyncGoesOnWithoutLinksAndUnnamedFiles() throws {
        try Scenario.withBucket { scenario in
            try scenario.withStore(on: .exFAT(mebibytes: 96)) { _ in
                let large = Row("large", RealBucket.content(seed: 12, count: 3 << 20))
                let rows = (0..<40).map { Row("small/\($0)", bytes("content \($0)")) } + [large]
                try scenario.add("2024-03-02T01-00Z", rows)
                let words = ["sync", "--store", scenario.store, "--chunk-threshold", "1M", "--chunk-size", "1M"]
                var killed = 0
                for point in [90, 110, 130, 150, 170, 190, 210, 230] {
                    let run = try scenario.run(
                        words, environment: try FaultShim.environment(["FAULT_KILL": "\(point)"]))
                    if run.status == 137 { killed += 1 }
                    let verify = try scenario.run("verify", "--json")
                    #expect(verify.status != 1, "\(point): \(verify)")
                }
                #expect(killed > 2)
                try scenario.succeed("sync")
                #expect(try scenario.blobs.count == rows.count)
                #expect(try scenario.findings(status: 0).isEmpty)
                #expect(try scenario.succeed("cat", "large").stdout == large.content)
            }
        }
    }

    @Test func aBlobIsNeverReplacedWhereRenamesReplace() throws {
        try Scenario.withBucket { scenario in
            let lack = try FaultShim.environment(["FAULT_LACK": "O_TMPFILE=95,linkat=1,link=1,renameat2=22"])
            let (sound, wrong) = (Row("sound", bytes("is there already")), Row("wrong", bytes("another one is there")))
            try scenario.add("2024-03-02T01-00Z", [sound, wrong])
            for row in [sound, wrong] { try Files.createDirectories(Files.directory(of: scenario.blob(row))) }
            // One that a sync does not look for, because it comes while the sync runs.
            var faults = FaultServer.Faults()
            faults.latency = 0.5
            try scenario.server.set(faults)
            let process = try scenario.start(["sync", "--store", scenario.store], environment: lack)
            #expect(try Clock.wait(seconds: 30) { try !scenario.requests().isEmpty })
            try Files.replace(scenario.blob(sound), with: sound.content)
            try Files.replace(scenario.blob(wrong), with: bytes("of another size"))
            let inode =
                try FileManager.default.attributesOfItem(atPath: scenario.blob(sound))[.systemFileNumber] as? Int
            let run = try process.wait()
            #expect(run.status == 0, "\(run)")
            let after =
                try FileManager.default.attributesOfItem(atPath: scenario.blob(sound))[.systemFileNumber] as? Int
            #expect(inode != nil && inode == after, "the file that was there is still the same")
            #expect(try scenario.succeed("cat", "wrong").stdout == wrong.content)
            #expect(try Files.names(in: "\(scenario.store)/quarantine").count == 1)
            #expect(try scenario.findings(status: 0).isEmpty)
        }
    }

    // MARK: - Where no store can be

    /// By what they lack, and a word of the sentence that says so.
    private static let impossible = [
        ("MAP_SHARED=19", "write-ahead log (WAL)"), ("flock=37", "locks (flock)"), ("flock=38", "locks (flock)"),
        ("F_SETLK=37", "locks of parts of files (fcntl)"), ("ftruncate=1,ftruncate64=1", "ftruncate"),
    ]

    @Test(arguments: impossible)
    func whereNoStoreCanBeInitSaysWhatTheDiskLacks(lack: String, says: String) throws {
        try Scenario.withBucket { scenario in
            let place = "\(scenario.directory)/not/there/yet"
            let fault = try FaultShim.environment(["FAULT_LACK": lack, "FAULT_STATFS": "0x65735546"])
            let run = try scenario.run(
                ["init", place, "--bucket", "s3://bucket", "--inventory", scenario.folder.url], environment: fault)
            #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("'\(place)' is on a file system (FUSE) that lacks"), "\(run)")
            #expect(run.stderr.contains(says), "\(run)")
            #expect(!Files.exists("\(scenario.directory)/not"), "nothing is left behind")
        }
    }

    /// The store was made elsewhere, and has been moved.
    @Test(arguments: impossible)
    func aStoreThatWasMovedToSuchADiskIsLeftAlone(lack: String, says: String) throws {
        try Scenario.withContents { scenario in
            let fault = try FaultShim.environment(["FAULT_LACK": lack])
            let place = ReplicaPlace(
                url: "file://\(scenario.directory)/replica", flags: [], environment: [:], server: nil)
            try scenario.push(place)
            let before = try StoreDigest.of(scenario.store)
            for words in [
                ["sync", "--store", scenario.store], ["reindex", "--store", scenario.store],
                ["verify", "--repair", "--store", scenario.store],
                ["prune", "--keep-last", "1", "--store", scenario.store],
                ["clone", place.url, scenario.store], ["clone", place.url, "\(scenario.directory)/new/clone"],
            ] {
                let run = try scenario.run(words, environment: fault)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains(lack.hasPrefix("flock") ? "flock" : says), "\(run)")
                #expect(!run.stderr.contains("full"), "\(run)")
            }
            #expect(!Files.exists("\(scenario.directory)/new"))
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            if lack.hasPrefix("MAP_SHARED") {
                // Nobody can write there, so it can be read like any other.
                let run = try scenario.run("ls", "-R", environment: fault)
                #expect(run.status == 0 && !run.stdout.isEmpty, "\(run)")
            }
        }
    }

    @Test(arguments: ["37", "38", "22", "95"]) func whoReadsWhereThereAreNoLocksIsToldSo(number: String) throws {
        try Scenario.withContents { scenario in
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            scenario.noteMount(point)
            let fault = try FaultShim.environment(["FAULT_LACK": "F_SETLK=\(number)"])
            for words in [
                ["mount", point], ["ls"], ["cat", "secret"], ["status"], ["export", "\(scenario.directory)/x"],
            ] {
                let run = try scenario.run(words + ["--store", scenario.store], environment: fault)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("lacks locks of parts of files (fcntl)"), "\(run)")
                #expect(!run.stderr.contains("database is locked"), "\(run)")
            }
        }
    }

    @Test func aRealFATByFUSEIsRefused() throws {
        try Scenario.withBucket { scenario in
            try scenario.withDisk(.fuseFAT(mebibytes: 32)) { point in
                let run = try scenario.run(
                    ["init", "\(point)/new/store", "--bucket", "s3://bucket", "--inventory", scenario.folder.url])
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("is on a file system (FUSE) that lacks"), "\(run)")
                #expect(try Files.names(in: point).isEmpty)
            }
        }
    }

    @Test func aStoreOnTwoDisksIsNamed() throws {
        try Scenario.withBucket { scenario in
            let large = Row("large", RealBucket.content(seed: 13, count: 2 << 20))
            try scenario.add("2024-03-02T01-00Z", [large])
            let run = try scenario.shell(
                """
                exec unshare -m sh -c 'cp -a "$STORE/blobs" "$STORE/../blobs" && mount -t tmpfs none "$STORE/blobs" && \
                cp -a "$STORE/../blobs/." "$STORE/blobs/" && \
                exec "$ICECORE" sync --store "$STORE" --chunk-threshold 1M --chunk-size 1M'
                """)
            #expect(run.status == 1 && run.stderr.contains("are on different file systems"), "\(run)")
        }
    }
}
