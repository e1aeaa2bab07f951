import Basics
import Foundation
import Testbed
import Testing

/// A disk that gives errors instead of what was written: a sentence each, nothing is lost, and what can be read is read.
@Suite struct UnreadableDiskTests {
    private func faults(_ path: String) throws -> [String: String] {
        try FaultShim.environment(["FAULT_READ": path])
    }

    private func name(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    /// Everything of an error in one sentence that names the file and the cause.
    private func expectSentence(_ run: Run, _ path: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(
            run.status == 1 && run.complaints.count == 1 && run.stderr.hasPrefix("icecore: ")
                && run.stderr.contains(name(path))
                && (run.stderr.contains("Input/output error") || run.stderr.contains("disk I/O error")), "\(run)",
            sourceLocation: sourceLocation)
    }

    @Test func aVerificationGoesOnBehindABlobThatCannotBeRead() throws {
        try Scenario.withContents { scenario in
            for key in ["small/2/2", "parted", "secret"] {
                let before = try StoreDigest.of(scenario.store)
                let blob = scenario.blob(try scenario.row(key))
                let other = scenario.blob(try scenario.row("small/0/3"))
                let good = try Files.read(other, limit: 100)
                try Scenario.change(other) { $0[0] ^= 1 }
                let run = try scenario.run("verify", "--json", environment: faults(name(blob)))
                #expect(run.status == 1, "\(run)")
                let kinds = try run.records.reduce(into: [:]) { kinds, record in
                    kinds[record["path"] as? String ?? ""] = record["kind"] as? String
                }
                let paths = [blob, other].map { String($0.dropFirst(scenario.store.utf8.count + 1)) }
                #expect(kinds == [paths[0]: "unreadable", paths[1]: "damaged"], "\(run)")
                #expect(run.text.contains("Input/output error"), "\(run)")
                #expect(try run.records.contains { $0["key"] as? String == key }, "\(run)")
                // The disk is well again.
                try Scenario.change(other) { $0 = good }
                #expect(try scenario.findings(status: 0).isEmpty)
                try Files.remove("\(scenario.store)/verify.state")
                StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)

                // Or it is not, and the source has it.
                let repair = try scenario.run("verify", "--repair", environment: faults(name(blob)))
                #expect(repair.status == 0 && repair.stderr.contains("fetched 1 content again"), "\(repair)")
                #expect(try scenario.findings(status: 0).isEmpty)
                let kept = try Files.names(in: "\(scenario.store)/quarantine").filter { $0.hasPrefix(name(blob)) }
                #expect(kept.count == 1)
                for name in try Files.names(in: "\(scenario.store)/quarantine") {
                    try Files.remove("\(scenario.store)/quarantine/\(name)")
                }
                try Files.remove("\(scenario.store)/verify.state")
            }
        }
    }

    @Test func aDirectoryOfBlobsThatCannotBeListedIsNotTakenForEmpty() throws {
        try Scenario.withContents { scenario in
            let fan = Files.directory(of: scenario.blob(try scenario.row("small/2/2")))
            let run = try scenario.run("verify", "--json", environment: faults("blobs/\(name(fan))"))
            #expect(run.status == 1, "\(run)")
            let path = String(fan.dropFirst(scenario.store.utf8.count + 1))
            #expect(try run.records.compactMap { $0["path"] as? String } == [path], "\(run)")
            #expect(try run.records.compactMap { $0["kind"] as? String } == ["unreadable"], "\(run)")
            // Not being seen is no reason to be counted as verified.
            let again = try scenario.run("verify", "--since", "1d")
            #expect(again.status == 0 && !again.stderr.contains("checked 0 blobs"), "\(again)")
        }
    }

    @Test func whoReadsIsToldWhichFileCannotBeRead() throws {
        try Scenario.withContents { scenario in
            let (row, other) = (try scenario.row("small/2/2"), try scenario.row("small/0/3"))
            let blob = scenario.blob(row)
            let before = try StoreDigest.of(scenario.store)
            expectSentence(try scenario.run("cat", row.key, environment: faults(name(blob))), blob)
            #expect(try scenario.run("cat", other.key, environment: faults(name(blob))).stdout == other.content)

            let target = "\(scenario.directory)/target"
            let export = try scenario.run("export", target, "--link", "copy", environment: faults(name(blob)))
            #expect(export.status == 3 && export.complaints.count == 2, "\(export)")
            #expect(
                export.stderr.contains("unreadable: \(row.key): ") && export.stderr.contains(name(blob)), "\(export)")
            #expect(try Files.read("\(target)/\(other.key)", limit: 100) == other.content)
            #expect(!Files.exists("\(target)/\(row.key)"))
            try scenario.succeed("export", target)
            #expect(try Files.read("\(target)/\(row.key)", limit: 100) == row.content)

            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            defer { scenario.unmount(point) }
            let mount = try scenario.run("mount", point, "--no-passthrough", environment: faults(name(blob)))
            #expect(mount.status == 0, "\(mount)")
            let read = #expect(throws: IcecoreError.self) { try Files.read("\(point)/\(row.key)", limit: 100) }
            #expect(read?.errno == EIO)
            #expect(try Files.read("\(point)/\(other.key)", limit: 100) == other.content)
            scenario.unmount(point)
            let log = String(decoding: try Files.read("\(scenario.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains(row.key) && log.contains("Input/output error"), "\(log)")
            try Files.remove("\(scenario.store)/mount.log")
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    @Test func anIndexThatCannotBeReadIsSaidToBe() throws {
        try Scenario.withContents { scenario in
            let views = try scenario.views()
            let before = try StoreDigest.of(scenario.store)
            let index = "\(scenario.store)/index.sqlite"
            let target = "\(scenario.directory)/target"
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            for words in [
                ["ls"], ["cat", "shared/a"], ["snapshots"], ["status"], ["versions", "parted"], ["sync"],
                ["prune", "--keep-last", "1"], ["export", target], ["mount", point],
            ] {
                let words = [words[0], "--store", scenario.store] + words.dropFirst()
                expectSentence(try scenario.run(words, environment: faults("index.sqlite")), index)
            }
            #expect(!Scenario.isMounted(point))
            let verify = try scenario.run("verify", "--json", environment: faults("index.sqlite"))
            #expect(verify.status == 1 && verify.text.contains("Input/output error"), "\(verify)")
            let repair = try scenario.run("verify", "--repair", "--json", environment: faults("index.sqlite"))
            #expect(repair.status == 1, "\(repair)")
            try Files.remove("\(scenario.store)/verify.state")
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            #expect(try scenario.views() == views)
        }
    }

    @Test func anInventoryThatCannotBeReadChangesNothing() throws {
        try Scenario.withContents { scenario in
            let third = "2024-03-04T01-00Z"
            try scenario.add(third, scenario.rows)
            let before = try StoreDigest.of(scenario.store)
            for file in ["\(third)-0.csv.gz", "\(third)/manifest.json"] {
                let run = try scenario.run("sync", environment: faults(file))
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains(file) && run.stderr.contains("Input/output error"), "\(run)")
                StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            }
            try scenario.succeed("sync")
            // What is kept of one cannot be read: it is found, and the index can be made without it.
            let kept = "inventories/\(third)/data/\(third)-0.csv.gz"
            let verify = try scenario.run("verify", "--json", environment: faults(kept))
            #expect(verify.status == 1, "\(verify)")
            #expect(try verify.records.compactMap { $0["path"] as? String } == [kept], "\(verify)")
            let views = try scenario.views()
            let reindex = try scenario.run("reindex", environment: faults(kept))
            #expect(reindex.status == 1 && reindex.stderr.contains("Input/output error"), "\(reindex)")
            #expect(reindex.stderr.contains("Nothing was changed"), "\(reindex)")
            #expect(try scenario.views() == views)
            try scenario.succeed("reindex")
            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.views() == views)
        }
    }
}
