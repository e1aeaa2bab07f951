import Basics
import Foundation
import Model
import Packs
import ReferenceModel
import Testbed
import Testing

/// What `verify` finds in packs, and how `--repair` brings it back.
@Suite struct PackVerifyTests {
    @Test func nothingIsSaidOfSoundPacks() throws {
        try Scenario.withContents { scenario in
            let before = try scenario.succeed("status", "--json").records.first
            let packs = try scenario.pack(into: 2)
            for words in [[], ["--sample", "50%"], ["--limit-rate", "1G"], ["--since", "1d"], ["--repair"]] {
                let run = try scenario.run(["verify", "--store", scenario.store, "--json"] + words)
                #expect(run.status == 0 && run.stdout.isEmpty, "\(run)")
            }
            #expect(try scenario.packs.map(\.description).sorted() == packs.map(\.description).sorted())
            try scenario.expectAllReadable()
            let status = try #require(try scenario.succeed("status", "--json").records.first)
            for name in ["blobs", "blobBytes", "missing"] {
                #expect(status[name] as? Int == before?[name] as? Int, "\(name)")
            }
            #expect(status["packs"] as? Int == 2 && status["packedBlobs"] as? Int == status["blobs"] as? Int)
            #expect(status["packedBlobBytes"] as? Int == status["blobBytes"] as? Int)
            let text = try scenario.succeed("status").text
            #expect(text.contains("in packs:   ") && text.contains(" in 2 packs ("), "\(text)")
            // What was verified is passed over.
            let state = String(
                decoding: try Files.read("\(scenario.store)/verify.state", limit: 1 << 20), as: UTF8.self)
            for pack in packs { #expect(state.contains("\npack \(pack) "), "\(state)") }
            let since = try scenario.run(["verify", "--store", scenario.store, "--since", "1d"])
            #expect(since.stderr.contains("checked 0 blobs"), "\(since)")
            // But not if it has changed.
            try Scenario.change(scenario.path(packs[0])) { $0[25] ^= 1 }
            let changed = try scenario.run(["verify", "--store", scenario.store, "--since", "1d"])
            #expect(changed.status == 1, "\(changed)")
        }
    }

    /// Its record says nothing against it: only the parts of the upload do.
    @Test func anUploadInPartsIsComparedWithItsETag() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("parted")
            let pack = try #require(try scenario.pack(spoiling: scenario.blob(row)).first)
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 1, "\(run)")
            #expect(try run.record["key"] as? String == "parted")
            #expect(try scenario.run("verify", "--repair").status == 0)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(!Files.exists(scenario.path(pack)))
            #expect(try scenario.succeed("cat", "parted").stdout.isSame(as: row.content))
        }
    }

    @Test func aBadSectorTakesNothingWithIt() throws {
        try Scenario.withContents(small: 600) { scenario in
            let pack = try #require(try scenario.pack().first)
            let block: Range<Int64> = 4096..<8192
            let records = try scenario.records(pack)
            let environment = try FaultShim.environment([
                "FAULT_READ": "\(pack)", "FAULT_RANGE": "\(block.lowerBound)-\(block.upperBound)",
            ])
            let run = try scenario.run("verify", "--json", environment: environment)
            #expect(run.status == 1, "\(run)")
            let found = try Set(run.records.compactMap { $0["key"] as? String })
            func keys(_ range: Range<Int64>) -> Set<String> {
                let hit = records.filter { Int64($0.place) < range.upperBound && $0.end > range.lowerBound }
                return Set(hit.flatMap { scenario.rows(of: $0) }.map(\.key))
            }
            #expect(found.isSuperset(of: keys(block).subtracting(["shared/a", "shared/b"])), "\(run)")
            // The longest header begins 37 bytes before its content.
            #expect(found.isSubset(of: keys(block.lowerBound - 37..<block.upperBound)), "\(run)")
            let repaired = try scenario.run("verify", "--repair", environment: environment)
            #expect(repaired.status == 0, "\(repaired)")
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.expectAllReadable()
        }
    }

    @Test func aPackThatCannotBeReadIsFetchedAgain() throws {
        try Scenario.withContents { scenario in
            let pack = try #require(try scenario.pack(into: 2).first)
            let environment = try FaultShim.environment(["FAULT_READ": "\(pack)"])
            let run = try scenario.run("verify", "--json", environment: environment)
            #expect(run.status == 1, "\(run)")
            #expect(try run.records.contains { $0["kind"] as? String == "unreadable" })
            let repaired = try scenario.run("verify", "--repair", environment: environment)
            #expect(repaired.status == 0, "\(repaired)")
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.expectAllReadable()
        }
    }

    @Test func statusSaysWhatPacksWouldSave() throws {
        try Scenario.withContents { scenario in
            let run = try scenario.shell(
                """
                python3 -c 'import sqlite3, sys
                index = sqlite3.connect(sys.argv[1])
                index.execute("UPDATE total SET value = 2000000 WHERE name = \\"blobs\\"")
                index.execute("UPDATE total SET value = 2048000000 WHERE name = \\"blobBytes\\"")
                index.commit()' "$STORE/index.sqlite"
                """)
            try #require(run.status == 0, "\(run)")
            let text = try scenario.succeed("status").text
            #expect(text.contains("'icecore pack' would free about 2000000 inodes and "), "\(text)")
            let record = try #require(try scenario.succeed("status", "--json").records.first)
            #expect(record["packableInodes"] as? Int == 2_000_000)
            #expect(record["packs"] as? Int == 0)
            let names = Scenario.inventoryNames
            let sync = try scenario.succeed("sync", "--date", names[1])
            #expect(sync.stderr.contains("hint: 2000000 blobs of 1.0 KiB on average"), "\(sync)")
            try scenario.succeed("pack", "--below", "1M")
            #expect(try !scenario.succeed("sync", "--date", names[1]).stderr.contains("hint:"))
        }
    }

    @Test func damagedContentsAreNamedAndComeBack() throws {
        try Scenario.withContents { scenario in
            let views = try scenario.views()
            let pack = try #require(try scenario.pack().first)
            var expected: [String: String] = [:]
            let records = try scenario.records(pack)
            for key in ["small/2/2", "parted", "secret", "shared/a"] {
                let row = try scenario.row(key)
                let record = try #require(records.first { scenario.blob(row).hasSuffix("/\($0.name.file)") })
                // One of them in its header.
                let place = key == "secret" ? Int64(record.place) + 1 : record.content.lowerBound
                try Scenario.change(scenario.path(pack)) { $0[Int(place)] ^= 1 }
                expected[key] = record.name.file
            }
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 1, "\(run)")
            let found = try run.records
            #expect(Set(found.compactMap { $0["key"] as? String }) == Set(expected.keys), "\(run)")
            #expect(found.count == 4)
            for record in found {
                #expect(record["path"] as? String == "packs/\(pack.path)")
                #expect(record["kind"] as? String == "damaged")
                let key = record["key"] as? String ?? ""
                if key != "secret" { #expect(record["blob"] as? String == expected[key]) }
            }
            let repaired = try scenario.run("verify", "--repair")
            #expect(repaired.status == 0, "\(repaired)")
            #expect(try scenario.findings(status: 0).isEmpty)
            let quarantine = try Files.names(in: "\(scenario.store)/quarantine")
            #expect(quarantine.contains { $0.hasPrefix("\(pack)-") }, "\(quarantine)")
            #expect(!Files.exists(scenario.path(pack)))
            #expect(try scenario.records(#require(try scenario.packs.first)).count == records.count - 4)
            #expect(try scenario.views() == views)
            try scenario.expectAllReadable()
        }
    }

    @Test func whatEnclosesContentsIsMadeAnew() throws {
        try Scenario.withContents { scenario in
            let pack = try #require(try scenario.pack().first)
            let good = try Files.read(scenario.path(pack), limit: 1 << 28)
            let records = try scenario.records(pack)
            let directory = Int(try #require(records.last).end)
            var packs = [pack]
            // The header, the directory, the trailer.
            for place in [5, directory + 30, good.count - 20] {
                let damaged = try #require(packs.first)
                try Scenario.change(scenario.path(damaged)) { $0[place] ^= 4 }
                let run = try scenario.run("verify", "--json")
                #expect(run.status == 1, "\(run)")
                #expect(try run.records.compactMap { $0["path"] as? String } == ["packs/\(damaged.path)"], "\(run)")
                #expect(try run.records.first?["key"] is NSNull, "\(run)")
                try scenario.server.reset()
                let repaired = try scenario.run("verify", "--repair")
                #expect(repaired.status == 0, "\(repaired)")
                #expect(try scenario.server.statistics().requests == 0, "nothing had to be fetched")
                #expect(try scenario.findings(status: 0).isEmpty)
                packs = try scenario.packs
                #expect(packs.count == 1 && packs != [damaged])
                #expect(try Files.names(in: "\(scenario.store)/quarantine").isEmpty)
            }
            try scenario.expectAllReadable()
        }
    }

    @Test func aMissingPackIsNamedAndFetchedAgain() throws {
        try Scenario.withContents { scenario in
            let packs = try scenario.pack(into: 2)
            let records = try scenario.records(packs[0])
            try Files.remove(scenario.path(packs[0]))
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 3, "\(run)")
            let found = try run.records
            #expect(found.allSatisfy { $0["kind"] as? String == "missing" })
            #expect(found.filter { $0["path"] as? String == "packs/\(packs[0].path)" }.count == 1)
            let keys = Set(records.flatMap { scenario.rows(of: $0) }.map(\.key))
            #expect(Set(found.compactMap { $0["key"] as? String }) == keys)
            #expect(try scenario.run("verify", "--repair").status == 0)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.packs == [packs[1]])
            try scenario.expectAllReadable()
        }
    }

    @Test func whatDoesNotBelongToThePacksIsForeign() throws {
        try Scenario.withContents { scenario in
            let first = try #require(try scenario.pack().first)
            let fan = Files.directory(of: scenario.path(first))
            for path in ["\(fan)/readme", "\(scenario.store)/packs/readme"] {
                try Files.replace(path, with: bytes("mine"))
            }
            // A pack that another store has.
            let other = PackFolder(path: "\(scenario.directory)/other/packs")
            try Files.createDirectories(other.path)
            let writer = try PackWriter(path: "\(scenario.directory)/other/unfinished")
            let content = bytes("of another store")
            let name = BlobName.sha256(SHA256.digest(content), size: Int64(content.count))
            _ = try content.withUnsafeBytes { try writer.append(name, $0) }
            let pack = try #require(try writer.finish(in: other)).name
            try Files.createDirectories(Files.directory(of: scenario.path(pack)))
            try Files.rename(other.path(of: pack), scenario.path(pack))
            let findings = try scenario.findings(status: 0)
            #expect(
                Set(findings.keys)
                    == ["\(fan)/readme", "\(scenario.store)/packs/readme", scenario.path(pack)])
            #expect(findings.values.allSatisfy { $0["kind"] as? String == "foreign" })
            #expect((findings[scenario.path(pack)]?["reason"] as? String)?.contains("not in the catalogue") == true)
            // From the next command on that writes, it is one of the store's.
            _ = try scenario.findings("--repair", status: 0)
            #expect(try scenario.findings(status: 0).count == 2)
            #expect(Files.exists(scenario.path(pack)))
        }
    }

    @Test func aContentMayBeInTwoPacks() throws {
        try Scenario.withContents { scenario in
            let first = try #require(try scenario.pack(isCopy: true).first)
            let second = try #require(try scenario.pack(isCopy: true).first)
            #expect(try scenario.findings(status: 0).isEmpty)
            let row = try scenario.row("small/2/2")
            let name = try #require(BlobName(String(scenario.blob(row).split(separator: "/").last ?? "")))
            for path in try StoreDigest.files("\(scenario.store)/blobs") {
                try Files.remove("\(scenario.store)/blobs/\(path)")
            }
            #expect(try scenario.findings(status: 0).isEmpty)
            let record = try #require(try scenario.records(first).first { $0.name == name })
            try Scenario.change(scenario.path(first)) { $0[Int(record.content.lowerBound)] ^= 1 }
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 1, "\(run)")
            #expect(try run.records.compactMap { $0["path"] as? String } == ["packs/\(first.path)"])
            #expect(try scenario.run("verify", "--repair").status == 0)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(Files.exists(scenario.path(second)))
            #expect(try scenario.succeed("cat", row.key).stdout == row.content)
        }
    }

    @Test(arguments: ["missing", "truncated", "changed", "emptied", "wrong"])
    func aCatalogueIsMadeAnew(how: String) throws {
        try Scenario.withContents(small: 300) { scenario in
            let packs = try scenario.pack(into: 2)
            let path = scenario.packFolder.cataloguePath
            switch how {
            case "missing": try Files.remove(path)
            case "truncated": try Scenario.change(path) { $0.removeLast($0.count / 2) }
            case "changed": try Scenario.change(path) { $0[100] ^= 1 }
            case "emptied": try Files.replace(path, with: [])
            default:
                // Whole, but of another pack than its name says.
                let good = try Files.read(scenario.path(packs[1]), limit: 1 << 28)
                try Files.remove(scenario.path(packs[0]))
                try Files.replace(scenario.path(packs[0]), with: good)
            }
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 1, "\(run)")
            let damaged = try run.records.filter { $0["kind"] as? String == "damaged" }
            #expect(
                damaged.compactMap { $0["path"] as? String }
                    == [how == "wrong" ? "packs/\(packs[0].path)" : "packs/catalogue"], "\(run)")
            try scenario.server.reset()
            let repaired = try scenario.run("verify", "--repair")
            #expect(repaired.status == 0, "\(repaired)")
            if how != "wrong" { #expect(try scenario.server.statistics().requests == 0) }
            #expect(try scenario.findings(status: 0).isEmpty)
            try scenario.expectAllReadable()
        }
    }

    @Test func aPackWithoutATrailerIsKnownByItsRecordsAlone() throws {
        // Neither the catalogue nor the directory says what was there.
        try Scenario.withContents { scenario in
            let packs = try scenario.pack(into: 2)
            try Files.remove(scenario.packFolder.cataloguePath)
            try Scenario.change(scenario.path(packs[0])) { $0[$0.count - 5] ^= 1 }
            let run = try scenario.run("verify", "--json")
            #expect(run.status == 1, "\(run)")
            try scenario.server.reset()
            let repaired = try scenario.run("verify", "--repair")
            #expect(repaired.status == 0, "\(repaired)")
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.server.statistics().requests == 0, "everything was there")
            try scenario.expectAllReadable()
        }
    }

    @Test func aLostIndexIsRebuiltOverPacks() throws {
        try Scenario.withContents { scenario in
            let views = try scenario.views()
            let status = try scenario.succeed("status", "--json").record
            try scenario.pack(into: 2)
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(scenario.store)/index.sqlite\(suffix)") }
            try scenario.server.reset()
            try scenario.succeed("reindex")
            #expect(try scenario.server.statistics().requests == 0)
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.views().dropLast(5) == views.dropLast(5))
            let after = try scenario.succeed("status", "--json").record
            for name in ["blobs", "blobBytes", "missing"] {
                #expect(after[name] as? Int == status[name] as? Int, "\(name)")
            }
            try scenario.expectAllReadable()
        }
    }

    /// Killed at every moment, a repair loses nothing, and the next one ends it.
    @Test func aKilledRepairLosesNothing() throws {
        try Scenario.withContents { scenario in
            let views = try scenario.views()
            let packs = try scenario.pack(into: 3)
            let content = try scenario.records(packs[0])[2].content
            try Scenario.change(scenario.path(packs[0])) { $0[Int(content.lowerBound)] ^= 1 }
            try Scenario.change(scenario.path(packs[1])) { $0[$0.count - 5] ^= 1 }
            try Files.remove(scenario.path(packs[2]))
            let copy = "\(scenario.directory)/damaged"
            func take(_ from: String, _ to: String) throws {
                let run = try scenario.shell("rm -rf '\(to)' && cp -a '\(from)' '\(to)'")
                try #require(run.status == 0, "\(run)")
            }
            try take(scenario.store, copy)
            let count = "\(scenario.directory)/count"
            let whole = try scenario.run(
                "verify", "--repair", environment: FaultShim.environment(["FAULT_COUNT": count]))
            #expect(whole.status == 0, "\(whole)")
            let text = String(decoding: try Files.read(count, limit: 100), as: UTF8.self)
            let calls = try #require(Int(text.dropLast()))
            var kills = 0
            for call in stride(from: 1, through: calls, by: max(1, calls / 40)) {
                try take(copy, scenario.store)
                let run = try scenario.run(
                    "verify", "--repair", environment: FaultShim.environment(["FAULT_KILL": "\(call)"]))
                kills += run.status == 128 + SIGKILL ? 1 : 0
                #expect(try scenario.views().prefix(3) == views.prefix(3), "call \(call)")
                let next = try scenario.run("verify", "--repair")
                #expect(next.status == 0, "call \(call): \(next)")
                #expect(try scenario.findings(status: 0).isEmpty, "call \(call)")
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty, "call \(call)")
                try scenario.expectAllReadable()
            }
            #expect(kills > 20)
        }
    }
}
