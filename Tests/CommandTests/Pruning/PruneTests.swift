import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Prunes of stores with contents: what is kept stays to the byte, what goes is what was said.
@Suite struct PruneTests {
    /// A store of a random history with all of its contents, synced up to some inventory.
    class Subject {
        let scenario: Scenario
        let life: HistoryScenario
        private(set) var history: History

        init(_ scenario: Scenario, seed: UInt64) throws {
            self.scenario = scenario
            life = HistoryScenario(seed: seed)
            history = try History([])
            try life.writeInventories(to: "\(scenario.directory)/inventories")
            try scenario.initialize(life.bucket.name, inventory: "file://\(scenario.directory)/inventories")
        }

        /// Lays the contents of what is new or current where a download would, and syncs.
        func sync(_ inventory: InventoryReport) throws {
            let known = Set(history.allVersions)
            for row in inventory.rows where !row.version.isMarker && (row.isLatest || !known.contains(row.version)) {
                try lay(row.version)
            }
            let synced = try scenario.succeed("sync", "--json", "--date", inventory.name)
            #expect(try synced.record["failed"] as? Int == 0)
            history = try history.syncing(inventory)
        }

        func lay(_ version: Version) throws {
            try Files.replace(path(version), with: life.content(of: version), mode: 0o444)
        }

        func content(of version: Version) throws -> [UInt8]? {
            try? Files.read(path(version), limit: 1 << 20)
        }

        func path(_ version: Version) -> String {
            let name = "\(version.etag.string)-\(version.size)"
            return "\(scenario.store)/blobs/\(name.prefix(2))/\(name)"
        }

        /// What kept views show, markers left out.
        func shown(_ rules: KeepRules) -> Set<Version> {
            let (names, horizon) = history.kept(rules)
            return history.shown(names, since: max(horizon, history.horizon ?? .distantPast)).filter { !$0.isMarker }
        }

        /// The names of the blobs that are kept.
        func blobNames() throws -> Set<String> {
            Set(try StoreDigest.files("\(scenario.store)/blobs").map { String($0.dropFirst(3)) })
        }

        /// Compares what a prune and its rehearsal have said of packs.
        func expectPacks(_ said: [String: Any], _ rehearsed: [String: Any]) throws {
            #expect(said["packBytes"] == nil)
        }

        func blobBytes() throws -> Int64 {
            try StoreDigest.files("\(scenario.store)/blobs").reduce(0) {
                $0 + (Files.size("\(scenario.store)/blobs/\($1)") ?? 0)
            }
        }

        /// Runs a prune that is compared with its rehearsal; the bytes that it freed.
        @discardableResult
        func prune(_ options: [String]) throws -> Int64 {
            let before = try blobBytes()
            let words = ["prune", "--store", scenario.store, "--json"] + options
            let rehearsal = try scenario.run(words + ["--dry-run"])
            #expect(rehearsal.status == 0, "\(rehearsal)")
            #expect(try blobBytes() == before, "a rehearsal removes nothing")
            let run = try scenario.run(words)
            try #require(run.status == 0, "\(run)")
            let (said, rehearsed) = (try #require(run.records.last), try #require(rehearsal.records.last))
            let freed = try #require(said["bytes"] as? Int)
            #expect(rehearsed["bytes"] as? Int == freed)
            #expect(rehearsed["blobs"] as? Int == said["blobs"] as? Int)
            #expect(Int64(freed) == before - (try blobBytes()), "what it says is what disappeared")
            try expectPacks(said, rehearsed)
            try expectSound("after a prune")
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            return Int64(freed)
        }

        /// A verification finds nothing, but for the contents with made-up ETags of many parts, and packs that a kill has left.
        func expectSound(_ what: String) throws {
            let run = try scenario.run("verify", "--json")
            let findings = try run.records.filter { finding in
                if (finding["reason"] as? String)?.hasPrefix("is not in the catalogue") == true { return false }
                return finding["kind"] as? String != "damaged"
                    || (finding["path"] as? String)?.split(separator: "-").count != 3
            }
            #expect(run.status <= 1 && findings.isEmpty, "\(what): \(run)")
        }

        func forget(_ rules: KeepRules) throws {
            history = try history.pruning(rules)
        }

        /// Every content that a kept view shows is there, and is right.
        func expectContents(_ versions: Set<Version>, _ what: String) throws {
            for version in versions {
                #expect(try content(of: version) == life.content(of: version), "\(what): \(version)")
            }
        }
    }

    @Test(arguments: [UInt64](0..<4))
    func keptContentsStayAndOthersGo(seed: UInt64) throws {
        try Scenario.use { scenario in
            let subject = try Subject(scenario, seed: seed)
            var random = SplitMix64(seed: seed)
            try Self.live(subject, &random)
        }
    }

    /// Syncs all inventories of a history, with prunes in between, and looks at what is left.
    static func live(_ subject: Subject, _ random: inout SplitMix64) throws {
        let scenario = subject.scenario
        var isFirst = true
        for (number, inventory) in subject.life.inventories.enumerated() {
            try subject.sync(inventory)
            guard number + 1 == subject.life.inventories.count || number > 2 && random.chance(50) else {
                continue
            }
            let rules = KeepRules(random: &random)
            let shown = subject.shown(rules)
            try subject.prune(rules.options)
            try subject.expectContents(shown, rules.options.joined(separator: " "))
            if isFirst {
                let needed = Set(shown.map { "\($0.etag.string)-\($0.size)" })
                #expect(try subject.blobNames() == needed, "nothing else is left")
                isFirst = false
            }
            try subject.forget(rules)
            // A second prune of the same finds nothing.
            #expect(try subject.prune(rules.options) == 0)
        }
        let mount = try scenario.mount("--history")
        let content = { (version: Version) -> [UInt8]? in subject.life.content(of: version) }
        #expect(
            try Set(Files.names(in: "\(mount)/at")) == Set(subject.history.kept.map(\.name)),
            "only kept snapshots are listed")
        for inventory in subject.history.kept {
            try SeenTree("\(mount)/at/\(inventory.name)").expect(
                MountTree(subject.history.snapshotView(inventory.name) ?? [:]), inventory.name, content: content)
        }
        for name in subject.history.pruned { #expect(!Files.exists("\(mount)/at/\(name)"), "\(name)") }
    }

    @Test func aPruneOfAPrefixDropsOnlyContents() throws {
        try Scenario.use { scenario in
            let subject = try Subject(scenario, seed: 4)
            for inventory in subject.life.inventories { try subject.sync(inventory) }
            let names = subject.history.inventories.map(\.name)
            let before = try names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout }
            let keys = subject.history.keys
            let prefix = try #require(keys.first { !$0.bytes.contains(0) && !$0.bytes.contains(10) }).string.prefix(1)
            var rules = KeepRules()
            rules.last = 1
            let shown = subject.shown(rules)
            let others = subject.history.allVersions.filter {
                !$0.isMarker && !$0.key.hasPrefix(ByteString("\(prefix)"))
            }
            let freed = try subject.prune(["--keep-last", "1", "--prefix=\(prefix)"])
            #expect(freed > 0)
            try subject.expectContents(shown.union(others), "below \(prefix)")
            #expect(try names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout } == before)
            // Nobody asks for them again.
            let again = try scenario.succeed("sync", "--json")
            #expect(try again.record["wanted"] as? Int == 0)
            #expect(try subject.prune(["--keep-last", "1", "--prefix=\(prefix)"]) == 0)
        }
    }

    @Test func aKilledPruneIsFinishedByTheNext() throws {
        try Scenario.use { scenario in
            let subject = try Subject(scenario, seed: 8)
            for inventory in subject.life.inventories { try subject.sync(inventory) }
            var rules = KeepRules()
            rules.last = 2
            let shown = subject.shown(rules)
            let kept = subject.history.kept.suffix(2).map(\.name)
            let listings = try kept.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout }
            let copy = "\(scenario.directory)/copy"
            try FileManager.default.copyItem(atPath: scenario.store, toPath: copy)
            let start = Timestamp.now()
            try subject.prune(["--keep-last", "2"])
            let duration = Double(Timestamp.now().milliseconds - start.milliseconds) / 2000
            let reference = try StoreDigest.blobs(scenario.store)
            var random = SplitMix64(seed: UInt64(getpid()))
            for _ in 0..<12 {
                try FileManager.default.removeItem(atPath: scenario.store)
                try FileManager.default.copyItem(atPath: copy, toPath: scenario.store)
                let program = try scenario.start(["prune", "--store", scenario.store, "--keep-last", "2"])
                _ = Clock.wait(seconds: duration * Double(random.below(1000)) / 1000) { program.hasEnded }
                program.kill(SIGKILL)
                _ = try program.wait()
                try subject.expectContents(shown, "after a kill")
                try subject.expectSound("after a kill")
                #expect(try kept.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout } == listings)
                try subject.prune(["--keep-last", "2"])
                #expect(try StoreDigest.blobs(scenario.store) == reference)
            }
        }
    }

    @Test func withoutARuleNothingIsPruned() throws {
        try Scenario.use { scenario in
            let subject = try Subject(scenario, seed: 0)
            try subject.sync(subject.life.inventories[0])
            let before = try StoreDigest.of(scenario.store)
            let run = try scenario.run("prune")
            #expect(run.status == 64 && run.stderr.contains("--keep-within"))
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func whatWasPrunedIsAnErrorThatSaysSo() throws {
        try Scenario.use { scenario in
            let subject = try Subject(scenario, seed: 0)
            for inventory in subject.life.inventories { try subject.sync(inventory) }
            let (oldest, newest) = (
                try #require(subject.life.inventories.first), try #require(subject.life.inventories.last)
            )
            let mount = try scenario.mount("--at", oldest.name)
            try subject.prune(["--keep-last", "1"])
            let byName = try scenario.run("ls", "--at", oldest.name)
            #expect(
                byName.status == 1 && byName.stderr.contains("pruned") && byName.stderr.contains("\(newest.takenAt)"))
            let byTime = try scenario.run("ls", "--at", oldest.takenAt.rfc3339)
            #expect(byTime.status == 1 && byTime.stderr.contains("pruned"))
            #expect(try scenario.run("sync", "--date", oldest.name).status == 1)
            // The mount of what is gone gives errors, and nothing that is wrong.
            let isStale = Clock.wait(seconds: 60) { (try? Files.names(in: mount)) == nil }
            #expect(isStale)
        }
    }
}
