import Basics
import Foundation
import ReferenceModel
import Testing

/// Random histories of buckets, mounted, against the model's trees: every name, size, time, key and content.
@Suite struct MountedHistoryTests {
    @Test(arguments: [UInt64](0..<4))
    func everyMountIsTheTreeThatTheRulesGive(seed: UInt64) throws {
        let scenario = HistoryScenario(seed: seed, withNUL: seed == 1)
        try Bench.use { bench in
            try scenario.writeInventories(to: "\(bench.directory)/inventories")
            try bench.initialize(scenario.bucket.name, inventory: "file://\(bench.directory)/inventories")
            let history = try scenario.history()
            try provideBlobs(history, scenario, bench)
            var random = SplitMix64(seed: seed)
            for inventory in random.shuffle(scenario.inventories) {
                let sync = try bench.succeed("sync", "--json", "--date", inventory.name)
                #expect(try sync.record["failed"] as? Int == 0 && sync.record["gone"] as? Int == 0)
            }

            let mount = try bench.mount("--history")
            let content = { (version: Version) -> [UInt8]? in scenario.content(of: version) }
            let newest = try #require(history.inventories.last)
            try SeenTree("\(mount)/latest").expect(
                MountTree(history.snapshotView(newest.name) ?? [:]), "latest", content: content)
            for inventory in history.inventories {
                try SeenTree("\(mount)/at/\(inventory.name)").expect(
                    MountTree(history.snapshotView(inventory.name) ?? [:]), inventory.name, content: content)
            }
            try SeenTree("\(mount)/versions").expect(versionsOf: history, content: content)
            let instants = random.shuffle(HistoryScenario.interestingInstants(history)).prefix(12)
            for instant in instants {
                try SeenTree("\(mount)/at/\(instant.rfc3339)").expect(
                    MountTree(history.instantView(at: instant)), instant.rfc3339, content: content)
            }
            // And as mounts of their own.
            for (number, instant) in instants.prefix(2).enumerated() {
                let alone = try bench.mount("--at", instant.rfc3339, name: "alone\(number)")
                try SeenTree(alone).expect(
                    MountTree(history.instantView(at: instant)), "--at \(instant.rfc3339)", content: content)
            }
        }
    }

    /// Lays the contents where a download would, so that nothing has to be fetched.
    private func provideBlobs(_ history: History, _ scenario: HistoryScenario, _ bench: Bench) throws {
        for version in history.allVersions where !version.isMarker {
            let name = "\(version.etag.string)-\(version.size)"
            try Files.replace(
                "\(bench.store)/blobs/\(name.prefix(2))/\(name)", with: scenario.content(of: version), mode: 0o444)
        }
    }
}
