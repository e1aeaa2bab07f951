import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Random histories of buckets, pushed as packs, against the model: every view of the replica, and of a clone.
@Suite struct ReplicaHistoryTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"
    private static let cases: [(seed: UInt64, kind: String)] =
        (0..<(isSoak ? 32 : 4)).map { ($0, $0 % 4 == 3 ? "RGW" : "file") }

    @Test(arguments: cases)
    func everyViewOfAReplicaIsWhatTheRulesSay(seed: UInt64, kind: String) throws {
        let life = HistoryScenario(seed: seed, withNUL: seed == 1)
        try Scenario.use { scenario in
            try life.writeInventories(to: "\(scenario.directory)/inventories")
            try scenario.initialize(life.bucket.name, inventory: "file://\(scenario.directory)/inventories")
            let history = try life.history()
            for version in history.allVersions where !version.isMarker {
                try MountedHistoryTests.provideBlob(of: version, life, scenario)
            }
            // The model's uploads in parts are checked in packs only, since nothing says how they were divided.
            func isParted(_ name: String) -> Bool { name.split(separator: "-").count > 2 }
            let hasParts = history.allVersions.contains { isParted("\($0.etag.string)-\($0.size)") }
            try scenario.moveIntoPacks(7) { isParted($0) }
            // Contents move between files and packs, and from packs to packs, while pushes and clones follow.
            var random = SplitMix64(seed: seed)
            let place = try PushTests.place(kind, scenario)
            let clone = "\(scenario.directory)/clone"
            for inventory in random.shuffle(life.inventories) {
                let synced = try scenario.succeed("sync", "--json", "--date", inventory.name)
                #expect(try synced.record["failed"] as? Int == 0 && synced.record["gone"] as? Int == 0)
                switch random.below(3) {
                case 0: try scenario.moveIntoPacks(1 + random.below(40)) { _ in random.chance(80) }
                case 1: try scenario.succeed("pack", "--below", random.pick([hasParts ? "50" : "0", "100", "1M"]))
                default: break
                }
                if random.chance(40) {
                    try scenario.push(place, "--prune", "--grace", "0h")
                    try scenario.clone(place, "clone")
                }
            }
            try scenario.succeed("pack", "--below", random.pick(["50", "1M"]))
            try scenario.push(place)
            try scenario.clone(place, "clone")
            let replica =
                ["--replica", place.url, "--cache", "\(scenario.directory)/cache"] + place.flags

            // What is read at once, and what comes piece by piece.
            let point = "\(scenario.directory)/replica-mount"
            try scenario.mountReplica(place, point, "--history")
            try expectTrees(point, history, life, seed)
            try expectListings(replica, history, scenario, place.environment)
            try expectContents(replica, history, life, scenario, place.environment, &random)
            try expectListings(["--store", clone], history, scenario, [:])
            #expect(try StoreDigest.contents(clone) == StoreDigest.contents(scenario.store))
            let cloned = "\(scenario.directory)/clone-mount"
            try Files.createDirectory(cloned)
            scenario.noteMount(cloned)
            #expect(try scenario.run(["mount", cloned, "--store", clone, "--history"]).status == 0)
            try expectTrees(cloned, history, life, seed)
        }
    }

    private func expectTrees(_ mount: String, _ history: History, _ life: HistoryScenario, _ seed: UInt64) throws {
        let content = { (version: Version) -> [UInt8]? in life.content(of: version) }
        for inventory in history.inventories {
            try SeenTree("\(mount)/at/\(inventory.name)").expect(
                MountTree(history.snapshotView(inventory.name) ?? [:]), "\(seed): \(inventory.name)", content: content)
        }
        try SeenTree("\(mount)/versions").expect(versionsOf: history, content: content)
        let instants = HistoryScenario.interestingInstants(history).enumerated().filter { $0.offset % 9 == 0 }
        for (_, instant) in instants {
            try SeenTree("\(mount)/at/\(instant.rfc3339)").expect(
                MountTree(history.instantView(at: instant)), "\(seed): \(instant.rfc3339)", content: content)
        }
    }

    private func expectListings(
        _ store: [String], _ history: History, _ scenario: Scenario, _ environment: [String: String]
    ) throws {
        for inventory in history.inventories {
            let run = try scenario.run(
                ["ls", "-R", "--json", "--at", inventory.name] + store, environment: environment)
            let lines = lsRecursive(history.snapshotView(inventory.name) ?? [:])
            #expect(try run.status == 0 && LsLine.parse(run.stdout) == lines, "\(inventory.name): \(run)")
        }
        for (offset, instant) in HistoryScenario.interestingInstants(history).enumerated() where offset % 5 == 0 {
            let run = try scenario.run(
                ["ls", "-R", "--json", "--at", instant.rfc3339] + store, environment: environment)
            let lines = lsRecursive(history.instantView(at: instant))
            #expect(try run.status == 0 && LsLine.parse(run.stdout) == lines, "\(instant.rfc3339): \(run)")
        }
    }

    /// Some of what a view shows, by itself.
    private func expectContents(
        _ replica: [String], _ history: History, _ life: HistoryScenario, _ scenario: Scenario,
        _ environment: [String: String], _ random: inout SplitMix64
    ) throws {
        for inventory in history.inventories {
            let shown = (history.snapshotView(inventory.name) ?? [:]).values.sorted { $0.key < $1.key }
            for version in random.shuffle(shown).prefix(3) where !version.key.bytes.contains(0) {
                let run = try scenario.run(
                    ["cat", "--at", inventory.name] + replica + ["--", version.key.string], environment: environment)
                #expect(
                    run.status == 0 && run.stdout.isSame(as: life.content(of: version)), "\(version.key): \(run)")
            }
        }
    }
}
