import Basics
import Foundation
import Testbed
import Testing

/// A store is pushed, and a store is made of what was pushed.
@Suite struct PushTests {
    static func place(_ kind: String, _ bench: Bench) throws -> ReplicaPlace {
        switch kind {
        case "file": .directory(bench)
        case "RGW": try .bucket(RGWServer.shared())
        default: try .bucket(MotoServer.shared())
        }
    }

    @Test(arguments: ["file", "RGW", "moto"]) func aCloneIsWhatWasPushed(_ kind: String) throws {
        try VerifyBench.use { bench in
            let place = try Self.place(kind, bench.bench)
            let first = try bench.bench.push(place)
            #expect(first.text.contains("push number 1"), "\(first)")
            let clone = try bench.bench.clone(place, "clone")
            try bench.bench.expectSame(clone, as: bench.store)

            // Nothing new.
            let second = try bench.bench.push(place, "--json")
            #expect(try second.records.first?["unchanged"] as? Bool == true, "\(second)")
            try bench.bench.clone(place, "clone")

            // A day later.
            let name = "2024-03-04T01-00Z"
            let new = VerifyBench.Row("new/one", bytes("brand new"), at: "2024-03-03T12:00:00.000Z")
            try bench.sync.add(name, bench.rows + [new])
            try bench.bench.succeed("sync", "--date", name)
            let third = try bench.bench.push(place, "--json")
            #expect(try third.records.first?["blobs"] as? Int == 1, "\(third)")
            #expect(try third.records.first?["sequence"] as? Int == 2)
            try bench.bench.clone(place, "clone")
            try bench.bench.expectSame(clone, as: bench.store)
            let another = try bench.bench.clone(place, "another")
            try bench.bench.expectSame(another, as: bench.store)
        }
    }

    @Test func aReplicaNeverMovesBackwards() throws {
        try VerifyBench.use(small: 5) { bench in
            let place = ReplicaPlace.directory(bench.bench)
            let old = "\(bench.bench.directory)/old"
            #expect(try bench.bench.shell("cp -a '\(bench.store)' '\(old)'").status == 0)
            try bench.sync.add("2024-03-04T01-00Z", bench.rows)
            try bench.bench.succeed("sync", "--date", "2024-03-04T01-00Z")
            try bench.bench.push(place)
            for words in [[], ["--no-cas"]] {
                let push = try bench.bench.run(["push", place.url, "--store", old] + words)
                #expect(push.status == 1 && push.stderr.contains("it is not moved backwards"), "\(push)")
                #expect(push.stderr.contains("2024-03-04T01-00Z"))
            }
            // A store of its own has no business here, and neither has this one in another's replica.
            let stranger = "\(bench.bench.directory)/stranger"
            try bench.bench.run(["init", stranger, "--bucket", "s3://bucket", "--inventory", bench.sync.folder.url])
            try bench.bench.run(["sync", "--store", stranger])
            let push = try bench.bench.run(["push", place.url, "--store", stranger])
            #expect(push.status == 1 && push.stderr.contains("the replica of another store"), "\(push)")
            let clone = try bench.bench.run(["clone", place.url, stranger])
            #expect(clone.status == 1 && clone.stderr.contains("another store"), "\(clone)")
            // A clone that is ahead is not taken back either.
            let ahead = try bench.bench.clone(place, "ahead")
            try bench.sync.add("2024-03-05T01-00Z", bench.rows)
            #expect(try bench.bench.run(["sync", "--date", "2024-03-05T01-00Z", "--store", ahead]).status == 0)
            let back = try bench.bench.run(["clone", place.url, ahead])
            #expect(back.status == 1 && back.stderr.contains("2024-03-05T01-00Z"), "\(back)")
            try bench.bench.push(place, store: ahead)
            try bench.bench.expectSame(try bench.bench.clone(place, "last"), as: ahead)
        }
    }

    @Test func aServerWithoutConditionalWritesIsFoundOut() throws {
        try VerifyBench.use(small: 5) { bench in
            // Ceph's gateway ignores If-None-Match in buckets with versions.
            let place = try ReplicaPlace.bucket(RGWServer.shared(), versioned: true)
            let push = try bench.bench.push(place, status: 1)
            #expect(
                push.stderr.contains("does not support conditional writes (it ignores 'If-None-Match: *'"), "\(push)")
            #expect(push.stderr.contains("--no-cas"))
            try bench.bench.push(place, "--no-cas")
            try bench.bench.push(place)
            try bench.bench.expectSame(try bench.bench.clone(place, "clone"), as: bench.store)
        }
    }
}
