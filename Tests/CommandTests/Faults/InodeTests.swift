import Basics
import Foundation
import Testbed
import Testing

/// Disks that have bytes and no inodes, or blocks that are too large for what is put into them.
@Suite struct InodeTests {
    typealias Row = InventoryFolder.Row

    private static let rows = (0..<900).map { Row("small/\($0)", bytes("content \($0)")) }

    @Test func aDiskWithTooFewInodesIsNamedBeforeAnythingIsFetched() throws {
        try Scenario.withBucket { scenario in
            // A store takes some 270 itself.
            try scenario.withStore(on: .ext4(kibibytes: 32 << 10, inodes: 700)) { point in
                try scenario.add("2024-03-02T01-00Z", Self.rows)
                let free = try #require(try FreeSpace(point).files)
                #expect((200..<600).contains(free))
                let rehearsal = try scenario.succeed("sync", "--dry-run", "--json").record
                #expect(rehearsal["wantedFiles"] as? Int == 900)
                #expect(rehearsal["wantedDiskBytes"] as? Int == 900 * Int(try FreeSpace(point).unit))
                // The run itself has a few files open.
                #expect((free - 16...free).contains(Int64(rehearsal["freeFiles"] as? Int ?? 0)))
                #expect((rehearsal["freeBytes"] as? Int ?? 0) > 16 << 20)
                let words = try scenario.succeed("sync", "--dry-run")
                #expect(words.text.contains("would be fetched into 900 files"), "\(words)")
                #expect(words.text.contains(" inodes are free"), "\(words)")
                #expect(words.stderr.contains("needs 900 files, but"), "\(words)")
                let run = try scenario.run("sync")
                #expect(run.status == 1 && run.stdout.isEmpty && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("the sync needs 900 files, but '\(scenario.store)' has only "), "\(run)")
                #expect(run.stderr.contains(" inodes free: make room"), "\(run)")
                #expect(try scenario.requests().isEmpty && scenario.blobs.isEmpty)
                #expect(try scenario.succeed("snapshots", "--json").stdout.isEmpty)
                // As much as there is room for.
                try scenario.succeed("sync", "--filter", "small/1.$")
                #expect(try scenario.blobs.count == 10)
            }
        }
    }

    @Test func aCloneSaysThatInodesAreShort() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", Self.rows)
            try scenario.succeed("sync")
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            try scenario.withDisk(.ext4(kibibytes: 32 << 10, inodes: 700)) { point in
                // The root directory of a disk is as good as any other.
                #expect(try Files.names(in: point) == ["lost+found"])
                let run = try scenario.run(["clone", place.url, point])
                #expect(run.status == 1 && run.stderr.contains("needs 900 files, but '\(point)' has only"), "\(run)")
            }
        }
    }

    @Test func smallFilesCountByTheirBlocks() throws {
        try Scenario.withBucket { scenario in
            // 900 pages are 3.5 MiB.
            try scenario.withStore(on: .tmpfs(kibibytes: 3 << 10)) { _ in
                try scenario.add("2024-03-02T01-00Z", Self.rows)
                let run = try scenario.run("sync")
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("needs 3686400 bytes (900 files, in blocks of 4096 bytes), but"), "\(run)")
                #expect(try scenario.requests().isEmpty)
                let rehearsal = try scenario.succeed("sync", "--dry-run", "--json").record
                #expect(rehearsal["wantedDiskBytes"] as? Int == 900 * 4096)
            }
        }
    }

    @Test func aStoreInTheRootDirectoryOfADiskIsSound() throws {
        try Scenario.withBucket { scenario in
            try scenario.withDisk(.ext4(kibibytes: 32 << 10)) { point in
                try scenario.add("2024-03-02T01-00Z", Array(Self.rows.prefix(3)))
                for words in [
                    ["init", point, "--bucket", "s3://bucket", "--inventory", scenario.folder.url],
                    ["sync", "--store", point], ["verify", "--store", point], ["reindex", "--store", point],
                ] {
                    let run = try scenario.run(words)
                    #expect(run.status == 0, "\(run)")
                    if words[0] == "verify" { #expect(run.stdout.isEmpty, "\(run)") }
                }
                #expect(Files.exists("\(point)/lost+found"))
            }
        }
    }
}
