import Basics
import Foundation
import Store
import Testbed
import Testing

/// Packs of a store or of a replica that are damaged, and packs that are no longer needed.
@Suite struct PackedReplicaDamageTests {
    private static func packs(_ scenario: Scenario) throws -> [String] {
        try StoreDigest.files("\(scenario.directory)/replica/packs").map { "\(scenario.directory)/replica/packs/\($0)" }
    }

    @Test func aDamagedPackOfAReplicaIsNoticed() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.moveIntoPacks(15)
            try scenario.push(place)
            let pack = try #require(Self.packs(scenario).first)
            try Scenario.change(pack) { $0[$0.count / 2] ^= 1 }
            let clone = try scenario.run(["clone", place.url, "\(scenario.directory)/clone"])
            #expect(clone.status == 3 && clone.stderr.contains("could not be fetched"), "\(clone)")
            let check = try scenario.push(place, "--check", "--json").record
            #expect(check["packs"] as? Int == 1, "\(check)")
            try PackedReplicaTests.expectSame(try scenario.clone(place, "clone"), as: scenario)
            // One that is shorter, and one that is gone.
            let packs = try Self.packs(scenario)
            try Scenario.change(packs[0]) { $0.removeLast(10) }
            try Files.remove(packs[1])
            #expect(try scenario.push(place, "--check", "--json").record["packs"] as? Int == 2)
            try PackedReplicaTests.expectSame(try scenario.clone(place, "again"), as: scenario)
        }
    }

    @Test(arguments: ["RGW", "moto"]) func aDamagedPackOfABucketIsNotServed(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.succeed("pack", "--below", "1M")
            try scenario.push(place)
            let admin = try S3Admin(#require(place.server))
            let key = try #require(
                try admin.listVersions(place.bucketName, prefix: "some/prefix/packs/").first?.key)
            var bytes = try admin.get(place.bucketName, key)
            let sound = bytes
            let records = try scenario.records(try scenario.packs[0])
            let record = try #require(records.first { $0.name.size > 0 && !scenario.rows(of: $0).isEmpty })
            bytes[Int(record.content.lowerBound)] ^= 1
            _ = try admin.put(place.bucketName, key, bytes)
            let row = try #require(scenario.rows(of: record).first { $0.versionId != "null" })
            let cat = try scenario.run(
                [
                    "cat", row.key, "--version-id", row.versionId, "--replica", place.url, "--cache",
                    "\(scenario.directory)/cache",
                ] + place.flags, environment: place.environment)
            #expect(cat.status != 0 && cat.stdout.isEmpty, "\(cat)")
            #expect(cat.stderr.contains("push --check"), "\(cat)")
            // The other contents are read.
            let other = try #require(records.last.flatMap { scenario.rows(of: $0).first { $0.versionId != "null" } })
            let next = try scenario.run(
                [
                    "cat", other.key, "--version-id", other.versionId, "--replica", place.url, "--cache",
                    "\(scenario.directory)/cache",
                ] + place.flags, environment: place.environment)
            #expect(next.status == 0 && next.stdout == other.content, "\(next)")
            let check = try scenario.push(place, "--check", "--json").record
            #expect(check["packs"] as? Int == 1, "\(check)")
            #expect(try admin.get(place.bucketName, key).isSame(as: sound))
            #expect(try scenario.push(place, "--check", "--json").record["packs"] as? Int == 0)
            try PackedReplicaTests.expectSame(try scenario.clone(place, "clone"), as: scenario)
        }
    }

    /// Of a pack that is damaged in the store, what is sound is sent one by one.
    @Test(arguments: ["file", "moto"]) func aDamagedPackOfTheStoreIsBrokenUp(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.succeed("pack", "--below", "1M")
            let contents = try StoreDigest.contents(scenario.store)
            let pack = try scenario.packs[0]
            let record = try #require(
                scenario.records(pack).first { $0.name.size > 0 && scenario.rows(of: $0).count == 1 })
            try Scenario.change(scenario.path(pack)) { $0[Int(record.content.lowerBound)] ^= 1 }
            let push = try scenario.push(place, status: 1)
            #expect(push.stderr.contains("\(pack)"), "\(push)")
            let clone = try scenario.clone(place, "clone")
            #expect(try StoreDigest.contents(clone).count == contents.count - 1)
            // Repaired, it is sent as a pack.
            try scenario.succeed("verify", "--repair")
            #expect(try scenario.push(place, "--json").record["packs"] as? Int ?? 0 > 0)
            let again = try scenario.clone(place, "again")
            #expect(try StoreDigest.contents(again) == contents)
        }
    }

    @Test(arguments: ["file", "moto"]) func packsThatWereReplacedGoInTwoSteps(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.moveIntoPacks(15)
            try scenario.push(place)
            func packs() throws -> Int {
                if kind == "file" { return try Self.packs(scenario).count }
                return try S3Admin(#require(place.server)).listVersions(
                    place.bucketName, prefix: "some/prefix/packs/"
                ).count
            }
            let before = try packs()
            try scenario.succeed("pack", "--below", "0")
            try scenario.succeed("pack", "--below", "8M")
            #expect(try scenario.packs.count == 1)
            try scenario.push(place)
            #expect(try packs() == before + 1)
            try scenario.push(place, "--prune")
            #expect(try packs() == before + 1)
            try PackedReplicaTests.expectSame(try scenario.clone(place, "clone"), as: scenario)
            let delete = try scenario.push(place, "--prune", "--grace", "0h", "--json").record
            #expect(delete["deleted"] as? Int ?? 0 >= before, "\(delete)")
            #expect(try packs() == 1)
            try PackedReplicaTests.expectSame(try scenario.clone(place, "last"), as: scenario)
        }
    }

    /// What the store has lost, a pack of the replica may be the last to have: that stays, and no other.
    @Test func aPackStaysWhileItAloneHasWhatIsMissing() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.moveIntoPacks(15)
            try scenario.push(place)
            let following = try scenario.clone(place, "following")
            let contents = try StoreDigest.contents(scenario.store)
            #expect(try Self.packs(scenario).count > 2)
            // One content is lost, and nobody has it any more but the replica.
            let row = try scenario.row("small/2/2")
            try scenario.succeed("pack", "--below", "0")
            try Files.remove(scenario.blob(row))
            try scenario.server.can(scenario.target(row), .init(status: 404))
            try scenario.succeed("pack", "--below", "8M")
            for _ in 0..<2 { try scenario.push(place, "--prune", "--grace", "0h") }
            #expect(try Self.packs(scenario).count == 2)
            let clone = try scenario.clone(place, "clone")
            #expect(try StoreDigest.contents(clone) == contents)
            #expect(try StoreDigest.contents(scenario.clone(place, "following")) == contents)
            #expect(try StoreDigest.files("\(following)/packs").count == 3, "two packs and the catalogue")

            // The source says that it is gone: a row names it nevertheless.
            try scenario.add("2024-03-04T01-00Z", scenario.rows)
            #expect(try scenario.run("sync", "--date", "2024-03-04T01-00Z").status != 1)
            for _ in 0..<3 { try scenario.push(place, "--prune", "--grace", "0h") }
            #expect(try Self.packs(scenario).count == 2)
            #expect(try StoreDigest.contents(scenario.clone(place, "following")) == contents)
        }
    }

    /// What has never come, no pack has.
    @Test func packsGoWhileSomethingWasNeverThere() throws {
        try Scenario.withBucket(packBelow: "1M") { scenario in
            let place = ReplicaPlace.directory(scenario)
            let rows = (0..<20).map { InventoryFolder.Row("small/\($0)", bytes("content \($0)")) }
            try scenario.server.can(scenario.target(rows[3]), .init(status: 500))
            try scenario.add("2024-03-02T01-00Z", rows)
            #expect(try scenario.run("sync").status == 3)
            try scenario.push(place, status: 3)
            try scenario.succeed("pack", "--below", "0")
            try scenario.succeed("pack", "--below", "8M")
            for _ in 0..<3 { try scenario.push(place, "--prune", "--grace", "0h", status: 3) }
            let own = try scenario.packs.map { "\(scenario.directory)/replica/packs/\($0.path)" }
            #expect(try Self.packs(scenario) == own)
        }
    }

    /// Packs that have been written anew at the replica do not stay for ever in what follows it.
    @Test func whatFollowsAReplicaLetsGoOfPacks() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.moveIntoPacks(15)
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            for _ in 0..<2 {
                try scenario.succeed("pack", "--below", "0")
                try scenario.succeed("pack", "--below", "8M")
                try scenario.push(place, "--prune", "--grace", "0h")
                // A push from the clone is in the way.
                let hold = try BlobDeletionLock(Store(path: clone), removing: false)
                let before = try StoreDigest.files("\(clone)/packs").count
                try scenario.clone(place, "clone")
                withExtendedLifetime(hold) {}
                #expect(try StoreDigest.files("\(clone)/packs").count >= before)
                try PackedReplicaTests.expectSame(clone, as: scenario)
            }
            try scenario.clone(place, "clone")
            let packs = try StoreDigest.files("\(clone)/packs")
            #expect(try packs == StoreDigest.files("\(scenario.store)/packs"))
            #expect(packs.count == 2, "a pack and the catalogue")
            try PackedReplicaTests.expectSame(clone, as: scenario)
        }
    }
}
