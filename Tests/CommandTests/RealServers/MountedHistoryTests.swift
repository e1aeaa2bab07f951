import Basics
import Foundation
import ReferenceModel
import Testing

/// Random histories of buckets, mounted, against the model's trees: every name, size, time, key and content.
@Suite struct MountedHistoryTests {
    @Test(arguments: [UInt64](0..<4))
    func everyMountIsTheTreeThatTheRulesGive(seed: UInt64) throws {
        let life = HistoryScenario(seed: seed, withNUL: seed == 1)
        try Scenario.use { scenario in
            try life.writeInventories(to: "\(scenario.directory)/inventories")
            try scenario.initialize(life.bucket.name, inventory: "file://\(scenario.directory)/inventories")
            let history = try life.history()
            try provideBlobs(history, life, scenario)
            var random = SplitMix64(seed: seed)
            for inventory in random.shuffle(life.inventories) {
                let synced = try scenario.succeed("sync", "--json", "--date", inventory.name)
                #expect(try synced.record["failed"] as? Int == 0 && synced.record["gone"] as? Int == 0)
            }

            let mount = try scenario.mount("--history")
            let content = { (version: Version) -> [UInt8]? in life.content(of: version) }
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
                let alone = try scenario.mount("--at", instant.rfc3339, name: "alone\(number)")
                try SeenTree(alone).expect(
                    MountTree(history.instantView(at: instant)), "--at \(instant.rfc3339)", content: content)
            }
        }
    }

    /// Lays the contents where a download would, so that nothing has to be fetched.
    private func provideBlobs(_ history: History, _ life: HistoryScenario, _ scenario: Scenario) throws {
        for version in history.allVersions where !version.isMarker {
            try Self.provideBlob(of: version, life, scenario)
        }
    }

    static func provideBlob(of version: Version, _ life: HistoryScenario, _ scenario: Scenario) throws {
        let name = "\(version.etag.string)-\(version.size)"
        try Files.replace(
            "\(scenario.store)/blobs/\(name.prefix(2))/\(name)", with: life.content(of: version), mode: 0o444)
    }
}
