import Basics
import Foundation
import Packs
import Testbed
import Testing

/// `icecore pack`: contents move, and nothing that reads them sees a difference.
@Suite struct PackTests {
    /// What everything that reads contents says.
    private static func everything(_ scenario: Scenario, _ name: String) throws -> [String: String] {
        var seen: [String: String] = [:]
        for date in Scenario.inventoryNames + ["2024-03-02T12:30:00Z"] {
            let target = "\(scenario.directory)/\(name)-\(date.prefix(13))"
            try scenario.succeed("export", "--at", date, target)
            for path in try StoreDigest.files(target) where !path.hasPrefix(".icecore") {
                seen["export \(date) \(path)"] = Hex.encode(
                    MD5.digest(try Files.read("\(target)/\(path)", limit: 1 << 24)))
            }
            let mount = try scenario.mount("--at", date, name: "\(name)-mount-\(date.prefix(13))")
            for path in try StoreDigest.files(mount) {
                seen["mount \(date) \(path)"] = Hex.encode(
                    MD5.digest(try Files.read("\(mount)/\(path)", limit: 1 << 24)))
            }
            scenario.unmount(mount)
        }
        for row in scenario.rows where !row.isMarker && row.versionId != "null" {
            let cat = try scenario.succeed("cat", row.key, "--version-id", row.versionId)
            #expect(cat.stdout.isSame(as: row.content), "\(row.key)")
        }
        return seen
    }

    @Test func contentsMoveAndNothingThatReadsThemSeesIt() throws {
        try Scenario.withContents { scenario in
            let (views, blobs) = (try scenario.views(), try StoreDigest.blobs(scenario.store))
            let before = try Self.everything(scenario, "before")
            let rehearsal = try scenario.succeed("pack", "--below", "1M", "--dry-run", "--json").record
            #expect(try StoreDigest.blobs(scenario.store) == blobs)
            #expect(!Files.exists("\(scenario.store)/packs"))

            let packing = try scenario.succeed("pack", "--below", "1M", "--json").record
            for field in ["contents", "bytes", "packs", "diskBytesBefore", "diskBytesAfter"] {
                #expect(packing[field] as? Int == rehearsal[field] as? Int, "\(field)")
            }
            let loose = try StoreDigest.files("\(scenario.store)/blobs")
            #expect(loose.count == 1, "the one that is large: \(loose)")
            #expect(packing["contents"] as? Int == blobs.count - 1)
            let packed = try StoreDigest.packed(scenario.store)
            #expect(packed == blobs.filter { $0.key != loose[0] })
            #expect(try scenario.views() == views)
            #expect(try Self.everything(scenario, "packed") == before)
            let sync = try scenario.succeed("sync", "--json", "--date", Scenario.inventoryNames[1]).record
            #expect(sync["fetched"] as? Int ?? 0 == 0)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)

            let again = try scenario.succeed("pack", "--json").record
            #expect(again["contents"] as? Int == 0 && again["below"] as? Int == 1 << 20)

            let unpacking = try scenario.succeed("pack", "--below", "0", "--json").record
            #expect(unpacking["contents"] as? Int == blobs.count - 1)
            #expect(try StoreDigest.blobs(scenario.store) == blobs)
            #expect(try StoreDigest.packed(scenario.store).isEmpty)
            #expect(try Self.everything(scenario, "unpacked") == before)
        }
    }

    @Test func theLimitIsTheFirstSizeThatStaysAFile() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("secret")
            let same = scenario.rows.filter { $0.content.count >= row.content.count && !$0.isMarker }
            try scenario.succeed("pack", "--below", "\(row.content.count)")
            for row in same { #expect(Files.exists(scenario.blob(row)), "\(row.key)") }
            #expect(!Files.exists(scenario.blob(try scenario.row("empty"))))
            try scenario.succeed("pack", "--below", "\(row.content.count + 1)")
            #expect(!Files.exists(scenario.blob(row)))
            #expect(try scenario.succeed("cat", "secret").stdout == row.content)
        }
    }

    @Test func aDamagedFileStaysWhereItIs() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("shared/a")
            try Scenario.change(scenario.blob(row)) { $0[0] ^= 1 }
            let run = try scenario.run("pack", "--below", "1M")
            #expect(run.status == 3, "\(run)")
            #expect(run.complaints.count { $0.hasSuffix("it stays where it is") } == 1, "\(run)")
            #expect(Files.exists(scenario.blob(row)))
            #expect(try StoreDigest.packed(scenario.store).count > 30)
        }
    }

    @Test func aMountFollowsWhatIsMovedUnderIt() throws {
        try Scenario.withContents { scenario in
            let mount = try scenario.mount()
            let rows = scenario.rows.filter { $0.isLatest && !$0.isMarker }
            for limit in ["1M", "0", "1M"] {
                for row in rows.shuffled().prefix(20) {
                    #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 24).isSame(as: row.content), "\(row.key)")
                }
                try scenario.succeed("pack", "--below", limit)
                // What the kernel has in its cache is not asked for again.
                for row in rows {
                    #expect(try Files.read("\(mount)/\(row.key)", limit: 1 << 24).isSame(as: row.content), "\(row.key)")
                }
            }
        }
    }

    @Test func packedContentsArePushedAndCloned() throws {
        try Scenario.withContents { scenario in
            let (store, directory) = (scenario.store, scenario.directory)
            let blobs = try StoreDigest.blobs(store)
            try scenario.succeed("pack", "--below", "1M")
            let push = try scenario.run(["push", "file://\(directory)/replica", "--store", store])
            try #require(push.status == 0, "\(push)")
            let clone = try scenario.run(["clone", "file://\(directory)/replica", "\(directory)/clone"])
            try #require(clone.status == 0, "\(clone)")
            #expect(try StoreDigest.contents("\(directory)/clone") == blobs)
        }
    }

    @Test func aPackedStoreRestoresABucket() throws {
        try LostBucket.use("moto", plain: 60) { bucket in
            try bucket.scenario.succeed("pack", "--below", "1M")
            let loose = try StoreDigest.files("\(bucket.scenario.store)/blobs").count
            #expect(loose < 10)
            try bucket.change()
            let run = try bucket.restore("s3://\(bucket.name)")
            #expect(run.status == 0, "\(run)")
            try bucket.expectFirst(in: bucket.name, besides: bucket.new)
            #expect(try run.record["uploaded"] as? Int ?? 0 > 10, "\(run)")
        }
    }

    @Test func aLinkInPlaceOfAPackIsNotFollowed() throws {
        try Scenario.withContents { scenario in
            try scenario.succeed("pack", "--below", "1M")
            let pack = try scenario.path(try #require(scenario.packs.first))
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.rename(pack, elsewhere)
            symlink(elsewhere, pack)
            let cat = try scenario.run("cat", "shared/a")
            #expect(cat.status == 1 && cat.stdout.isEmpty, "\(cat)")
            #expect(try scenario.run("verify", "--json").status == 1)
            let before = try Files.read(elsewhere, limit: 1 << 24)
            let repair = try scenario.run("verify", "--repair")
            #expect(repair.status == 0, "\(repair)")
            #expect(try Files.read(elsewhere, limit: 1 << 24) == before)
            #expect(try scenario.succeed("cat", "shared/a").stdout == scenario.row("shared/a").content)
            for name in try Files.names(in: "\(scenario.store)/quarantine") {
                try Files.remove("\(scenario.store)/quarantine/\(name)")
            }
        }
    }

    @Test func aLinkInPlaceOfPacksIsRefused() throws {
        try Scenario.withContents { scenario in
            try scenario.succeed("pack", "--below", "1M")
            let elsewhere = "\(scenario.directory)/elsewhere"
            try Files.rename("\(scenario.store)/packs", elsewhere)
            symlink(elsewhere, "\(scenario.store)/packs")
            let before = try StoreDigest.of(elsewhere)
            for words in [["sync"], ["pack", "--below", "0"], ["prune", "--keep-last", "1"]] {
                let run = try scenario.run([words[0], "--store", scenario.store] + words.dropFirst())
                #expect(run.status == 1 && run.stderr.contains("is a symbolic link"), "\(run)")
            }
            StoreDigest.expectSame(try StoreDigest.of(elsewhere), before)
        }
    }

    @Test func aSecondStoreAdoptsNothingThatIsInPacks() throws {
        try Scenario.withContents { scenario in
            let tree = "\(scenario.directory)/tree"
            try scenario.succeed("export", tree)
            try scenario.succeed("pack", "--below", "1M")
            let before = try StoreDigest.contents(scenario.store)
            let run = try scenario.succeed("adopt", tree, "--json")
            #expect(try StoreDigest.contents(scenario.store) == before, "\(run)")
            #expect(try StoreDigest.files("\(scenario.store)/blobs").count == 1, "\(run)")
        }
    }

    @Test(arguments: ["1M", "0"])
    func aKillAtAnyCallLosesNothing(limit: String) throws {
        try Scenario.withContents(small: 12) { scenario in
            let (store, saved) = (scenario.store, "\(scenario.directory)/saved")
            let blobs = try StoreDigest.blobs(store)
            let views = try scenario.views()
            if limit == "0" { try scenario.succeed("pack", "--below", "1M") }
            try Files.rename(store, saved)
            let words = ["pack", "--store", store, "--below", limit]
            func restore() throws {
                if Files.exists(store) { try FileManager.default.removeItem(atPath: store) }
                try FileManager.default.copyItem(atPath: saved, toPath: store)
            }
            func everything() throws -> [String: String] { try StoreDigest.contents(store) }
            try restore()
            let count = "\(scenario.directory)/count"
            let whole = try scenario.run(words, environment: FaultShim.environment(["FAULT_COUNT": count]))
            try #require(whole.status == 0, "\(whole)")
            let end = try StoreDigest.files("\(store)/blobs")
            let calls = try #require(Int(String(decoding: Files.read(count, limit: 100), as: UTF8.self).dropLast()))
            var killed = 0
            let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"
            for call in stride(from: 1, through: calls, by: isSoak ? 1 : max(1, calls / 25)) {
                try restore()
                let run = try scenario.run(words, environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                killed += run.status == 128 + SIGKILL ? 1 : 0
                #expect(try everything() == blobs, "call \(call) of \(calls)")
                if call % 3 == 0 { #expect(try scenario.views() == views) }
                let next = try scenario.run(words)
                #expect(next.status == 0, "call \(call) of \(calls): \(next)")
                #expect(try everything() == blobs, "call \(call) of \(calls)")
                #expect(try StoreDigest.files("\(store)/blobs") == end, "call \(call) of \(calls)")
                #expect(try Files.names(in: "\(store)/tmp").isEmpty, "call \(call) of \(calls)")
                #expect(!Files.exists("\(store)/packs/leaving"))
            }
            #expect(killed > 15)
        }
    }
}
