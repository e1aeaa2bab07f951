import Basics
import Foundation
import Testbed
import Testing

/// What a store no longer needs leaves its replica.
@Suite struct PushPruneTests {
    @Test(arguments: ["file", "moto"]) func whatIsNoLongerNeededGoesInTwoSteps(_ kind: String) throws {
        try VerifyBench.use { bench in
            let place = try PushTests.place(kind, bench.bench)
            try bench.bench.push(place)
            let before = try bench.bench.clone(place, "before")
            // The first version of the first key, and the second key, are in the first snapshot alone.
            let prune = try bench.bench.succeed("prune", "--keep-last", "1")
            #expect(prune.status == 0)
            let gone = Set(try StoreDigest.blobs(before).keys).subtracting(try StoreDigest.blobs(bench.store).keys)
            #expect(gone.count == 2)
            func has() throws -> Bool {
                let name = try #require(gone.first)
                if kind == "file" { return Files.exists("\(place.url.dropFirst(7))/blobs/\(name)") }
                return try !S3Admin(#require(place.server)).listVersions(
                    place.bucketName, prefix: "some/prefix/blobs/\(name)"
                ).isEmpty
            }
            // Without --prune it stays; marked, it stays for the time of grace; then it goes.
            try bench.bench.push(place)
            #expect(try has())
            let mark = try bench.bench.push(place, "--prune", "--json")
            #expect(try mark.records.first?["marked"] as? Int ?? 0 > 0, "\(mark)")
            #expect(try has())
            try bench.bench.push(place, "--prune")
            #expect(try has())
            let delete = try bench.bench.push(place, "--prune", "--grace", "0h", "--json")
            #expect(try delete.records.first?["deleted"] as? Int ?? 0 > 0, "\(delete)")
            #expect(try !has())
            try bench.bench.expectSame(try bench.bench.clone(place, "after"), as: bench.store)
            try bench.bench.clone(place, "before")
            try bench.bench.push(place, "--prune", "--grace", "0h")
            try bench.bench.push(place)
            try bench.bench.expectSame(try bench.bench.clone(place, "last"), as: bench.store)
        }
    }
}
