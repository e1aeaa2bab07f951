import Basics
import Foundation
import Testbed
import Testing

/// How many blobs `status` says that there are, whatever has happened to them.
@Suite struct BlobCountTests {
    private func expectTrueCount(_ scenario: Scenario, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let status = try #require(try scenario.succeed("status", "--json").records.first)
        let blobs = try scenario.blobs
        #expect(status["blobs"] as? Int == blobs.count, sourceLocation: sourceLocation)
        let bytes = blobs.reduce(0) { $0 + (Int($1.split(separator: "-").last ?? "") ?? 0) }
        #expect(status["blobBytes"] as? Int == bytes, sourceLocation: sourceLocation)
    }

    @Test func aBlobThatVanishedAndWasFetchedAgainIsCountedOnce() throws {
        try Scenario.withContents { scenario in
            try expectTrueCount(scenario)
            for key in ["shared/a", "small/1/7", "parted"] { try Files.remove(scenario.blob(scenario.row(key))) }
            try Scenario.change(scenario.blob(scenario.row("small/2/2"))) { $0[0] ^= 1 }
            _ = try scenario.run("verify", "--repair")
            try expectTrueCount(scenario)
            try scenario.succeed("verify", "--repair")
            try expectTrueCount(scenario)
        }
    }

    @Test func aBlobThatARepairCouldNotFetchIsNotCountedUntilASyncDoes() throws {
        try Scenario.withContents { scenario in
            try Files.remove(scenario.blob(scenario.row("small/1/7")))
            let offline = ["AWS_ENDPOINT_URL": "http://127.0.0.1:1"]
            _ = try scenario.run("verify", "--repair", environment: offline)
            try expectTrueCount(scenario)
            try scenario.succeed("sync")
            #expect(Files.exists(scenario.blob(try scenario.row("small/1/7"))))
            try expectTrueCount(scenario)
        }
    }

    @Test func aReadThatBringsABlobBackDoesNotCountItAgain() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("small/1/7")
            let mount = try scenario.mount()
            try Files.remove(scenario.blob(row))
            #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 20) == row.content)
            #expect(Clock.wait(seconds: 30) { Files.exists(scenario.blob(row)) })
            scenario.unmount(mount)
            try expectTrueCount(scenario)
        }
    }

    @Test func afterALostIndexTheBlobsAreCounted() throws {
        try Scenario.withContents { scenario in
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            try scenario.succeed("reindex")
            try expectTrueCount(scenario)
        }
    }
}
