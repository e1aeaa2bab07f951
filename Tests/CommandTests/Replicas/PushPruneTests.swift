import Basics
import Foundation
import Testbed
import Testing

/// What a store no longer needs leaves its replica.
@Suite struct PushPruneTests {
    @Test(arguments: ["file", "moto"]) func whatIsNoLongerNeededGoesInTwoSteps(_ kind: String) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            try scenario.push(place)
            let before = try scenario.clone(place, "before")
            // The first version of the first key, and the second key, are in the first snapshot alone.
            let prune = try scenario.succeed("prune", "--keep-last", "1")
            #expect(prune.status == 0)
            let gone = Set(try StoreDigest.blobs(before).keys).subtracting(try StoreDigest.blobs(scenario.store).keys)
            #expect(gone.count == 2)
            func has() throws -> Bool {
                let name = try #require(gone.first)
                if kind == "file" { return Files.exists("\(place.url.dropFirst(7))/blobs/\(name)") }
                return try !S3Admin(#require(place.server)).listVersions(
                    place.bucketName, prefix: "some/prefix/blobs/\(name)"
                ).isEmpty
            }
            // Without --prune it stays; marked, it stays for the time of grace; then it goes.
            try scenario.push(place)
            #expect(try has())
            let mark = try scenario.push(place, "--prune", "--json")
            #expect(try mark.records.first?["marked"] as? Int ?? 0 > 0, "\(mark)")
            #expect(try has())
            try scenario.push(place, "--prune")
            #expect(try has())
            let delete = try scenario.push(place, "--prune", "--grace", "0h", "--json")
            #expect(try delete.records.first?["deleted"] as? Int ?? 0 > 0, "\(delete)")
            #expect(try !has())
            try scenario.expectSame(try scenario.clone(place, "after"), as: scenario.store)
            try scenario.clone(place, "before")
            try scenario.push(place, "--prune", "--grace", "0h")
            try scenario.push(place)
            try scenario.expectSame(try scenario.clone(place, "last"), as: scenario.store)
        }
    }
}
