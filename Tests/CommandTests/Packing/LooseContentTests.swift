import Basics
import Foundation
import Model
import Testbed
import Testing

/// What is fetched one by one into a store with packs gets into packs later.
@Suite struct LooseContentTests {
    @Test(arguments: ["", "not a name\n\n../../../etc/passwd-4\n"])
    func whatAMountHasFetchedTheNextSyncMovesIntoPacks(nonsense: String) throws {
        try Scenario.withBucket(packBelow: "64K") { scenario in
            let small = (0..<20).map { InventoryFolder.Row("small/\($0)", bytes("content \($0)")) }
            let large = InventoryFolder.Row("large", RealBucket.content(seed: 1, count: 100_000))
            try scenario.add(Scenario.inventoryNames[0], small + [large])
            try scenario.succeed("sync", "--metadata-only")
            if !nonsense.isEmpty {
                try Files.createDirectory("\(scenario.store)/packs")
                try Data(nonsense.utf8).write(to: URL(fileURLWithPath: "\(scenario.store)/packs/loose"))
            }
            let mount = try scenario.mount()
            for row in small[..<15] + [large] {
                #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 20) == row.content)
            }
            // The last ones get their names when it ends.
            scenario.unmount(mount)
            #expect(try Self.waits(for: 15, in: scenario))
            let names = try StoreDigest.files("\(scenario.store)/blobs").map { String($0.dropFirst(3)) }
            #expect(names.count == 16)
            #expect(try scenario.succeed("verify").status == 0)

            let requests = try scenario.server.statistics().requests
            try scenario.succeed("sync", "--metadata-only")
            #expect(try scenario.server.statistics().requests == requests, "nothing is fetched for that")
            let left = try StoreDigest.files("\(scenario.store)/blobs")
            #expect(left.count == 1 && left[0].hasSuffix("-100000"))
            #expect(try Set(scenario.packed().allNames) == Set(names.filter { !$0.hasSuffix("-100000") }))
            #expect(!Files.exists("\(scenario.store)/packs/loose"))
            #expect(!Files.exists("\(scenario.store)/packs/loose.taken"))
            for row in small[..<15] + [large] {
                #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content))
            }
            #expect(try scenario.succeed("verify").status == 0)
            try scenario.succeed("sync")
            #expect(try scenario.packed().allNames.count == 20)
        }
    }

    /// Waits until so many have been noted: the daemon outlives its mount a little.
    private static func waits(for count: Int, in scenario: Scenario) throws -> Bool {
        try Clock.wait(seconds: Patience.seconds(2)) {
            let noted = "\(scenario.store)/packs/loose"
            guard Files.exists(noted) else { return false }
            return try Files.read(noted, limit: 1 << 20).split(separator: UInt8(ascii: "\n")).filter {
                BlobName(String(decoding: $0, as: UTF8.self)) != nil
            }.count == count
        }
    }

    /// A sync that is killed between taking the list and moving what is on it leaves the list to the next one.
    @Test func aListThatWasTakenIsWorkedOff() throws {
        try Scenario.withBucket(packBelow: "64K") { scenario in
            let row = InventoryFolder.Row("small", bytes("content"))
            try scenario.add(Scenario.inventoryNames[0], [row])
            try scenario.succeed("sync", "--metadata-only")
            let mount = try scenario.mount()
            #expect(try Files.read("\(mount)/small", limit: 100) == row.content)
            scenario.unmount(mount)
            #expect(try Self.waits(for: 1, in: scenario))
            try Files.rename("\(scenario.store)/packs/loose", "\(scenario.store)/packs/loose.taken")
            try scenario.succeed("sync", "--metadata-only")
            #expect(try scenario.packed().allNames.count == 1)
            #expect(try StoreDigest.files("\(scenario.store)/blobs").isEmpty)
        }
    }
}
