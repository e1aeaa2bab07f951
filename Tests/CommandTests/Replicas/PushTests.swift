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
}
