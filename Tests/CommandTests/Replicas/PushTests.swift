import Basics
import Foundation
import Testbed
import Testing

/// A store is pushed, and a store is made of what was pushed.
@Suite struct PushTests {
    static func place(_ kind: String, _ scenario: Scenario) throws -> ReplicaPlace {
        switch kind {
        case "file": .directory(scenario)
        case "RGW": try .bucket(RGWServer.shared())
        default: try .bucket(MotoServer.shared())
        }
    }

    @Test(arguments: ["file", "RGW", "moto"]) func aCloneIsWhatWasPushed(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try Self.place(kind, scenario)
            let first = try scenario.push(place)
            #expect(first.text.contains("push number 1"), "\(first)")
            let clone = try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)

            // Nothing new.
            let second = try scenario.push(place, "--json")
            #expect(try second.records.first?["unchanged"] as? Bool == true, "\(second)")
            try scenario.clone(place, "clone")

            // A day later.
            let name = "2024-03-04T01-00Z"
            let new = InventoryFolder.Row("new/one", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try scenario.add(name, scenario.rows + [new])
            try scenario.succeed("sync", "--date", name)
            let third = try scenario.push(place, "--json")
            #expect(try third.records.first?["blobs"] as? Int == 1, "\(third)")
            #expect(try third.records.first?["sequence"] as? Int == 2)
            try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)
            let another = try scenario.clone(place, "another")
            try scenario.expectSame(another, as: scenario.store)
        }
    }

    @Test func aReplicaNeverMovesBackwards() throws {
        try Scenario.withContents(small: 5) { scenario in
            let place = ReplicaPlace.directory(scenario)
            let old = "\(scenario.directory)/old"
            #expect(try scenario.shell("cp -a '\(scenario.store)' '\(old)'").status == 0)
            try scenario.add("2024-03-04T01-00Z", scenario.rows)
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            try scenario.push(place)
            for words in [[], ["--no-cas"]] {
                let push = try scenario.run(["push", place.url, "--store", old] + words)
                #expect(push.status == 1 && push.stderr.contains("it is not moved backwards"), "\(push)")
                #expect(push.stderr.contains("2024-03-04T01-00Z"))
            }
            // A store of its own has no business here, and neither has this one in another's replica.
            let stranger = "\(scenario.directory)/stranger"
            try scenario.run(["init", stranger, "--bucket", "s3://bucket", "--inventory", scenario.folder.url])
            try scenario.run(["sync", "--store", stranger])
            let push = try scenario.run(["push", place.url, "--store", stranger])
            #expect(push.status == 1 && push.stderr.contains("the replica of another store"), "\(push)")
            let clone = try scenario.run(["clone", place.url, stranger])
            #expect(clone.status == 1 && clone.stderr.contains("another store"), "\(clone)")
            // A clone that is ahead is not taken back either.
            let ahead = try scenario.clone(place, "ahead")
            try scenario.add("2024-03-05T01-00Z", scenario.rows)
            #expect(try scenario.run(["sync", "--date", "2024-03-05T01-00Z", "--store", ahead]).status == 0)
            let back = try scenario.run(["clone", place.url, ahead])
            #expect(back.status == 1 && back.stderr.contains("2024-03-05T01-00Z"), "\(back)")
            try scenario.push(place, store: ahead)
            try scenario.expectSame(try scenario.clone(place, "last"), as: ahead)
        }
    }

    @Test func aServerWithoutConditionalWritesIsFoundOut() throws {
        try Scenario.withContents(small: 5) { scenario in
            // Ceph's gateway ignores If-None-Match in buckets with versions.
            let place = try ReplicaPlace.bucket(RGWServer.shared(), versioned: true)
            let push = try scenario.push(place, status: 1)
            #expect(
                push.stderr.contains("does not support conditional writes (it ignores 'If-None-Match: *'"), "\(push)")
            #expect(push.stderr.contains("--no-cas"))
            try scenario.push(place, "--no-cas")
            try scenario.push(place)
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
        }
    }
}
