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
        try VerifyBench.use { store in
            for key in ["small/2/2", "parted", "secret"] {
                let before = try StoreDigest.of(store.store)
                let blob = store.blob(try store.row(key))
                let other = store.blob(try store.row("small/0/3"))
                let good = try Files.read(other, limit: 100)
                try VerifyBench.change(other) { $0[0] ^= 1 }
                let run = try store.bench.run("verify", "--json", environment: faults(name(blob)))
                #expect(run.status == 1, "\(run)")
                let kinds = try run.records.reduce(into: [:]) { kinds, record in
                    kinds[record["path"] as? String ?? ""] = record["kind"] as? String
                }
                let paths = [blob, other].map { String($0.dropFirst(store.store.utf8.count + 1)) }
                #expect(kinds == [paths[0]: "unreadable", paths[1]: "damaged"], "\(run)")
                #expect(run.text.contains("Input/output error"), "\(run)")
                #expect(try run.records.contains { $0["key"] as? String == key }, "\(run)")
                // The disk is well again.
                try VerifyBench.change(other) { $0 = good }
                #expect(try store.findings(status: 0).isEmpty)
                try Files.remove("\(store.store)/verify.state")
                StoreDigest.expectSame(try StoreDigest.of(store.store), before)

                // Or it is not, and the source has it.
                let repair = try store.bench.run("verify", "--repair", environment: faults(name(blob)))
                #expect(repair.status == 0 && repair.stderr.contains("fetched 1 contents again"), "\(repair)")
                #expect(try store.findings(status: 0).isEmpty)
                let kept = try Files.names(in: "\(store.store)/quarantine").filter { $0.hasPrefix(name(blob)) }
                #expect(kept.count == 1)
                for name in try Files.names(in: "\(store.store)/quarantine") {
                    try Files.remove("\(store.store)/quarantine/\(name)")
                }
                try Files.remove("\(store.store)/verify.state")
            }
        }
    }

    @Test func aDirectoryOfBlobsThatCannotBeListedIsNotTakenForEmpty() throws {
        try VerifyBench.use { store in
            let fan = Files.directory(of: store.blob(try store.row("small/2/2")))
            let run = try store.bench.run("verify", "--json", environment: faults("blobs/\(name(fan))"))
            #expect(run.status == 1, "\(run)")
            let path = String(fan.dropFirst(store.store.utf8.count + 1))
            #expect(try run.records.compactMap { $0["path"] as? String } == [path], "\(run)")
            #expect(try run.records.compactMap { $0["kind"] as? String } == ["unreadable"], "\(run)")
            // Not being seen is no reason to be counted as verified.
            let again = try store.bench.run("verify", "--since", "1d")
            #expect(again.status == 0 && !again.stderr.contains("checked 0 blobs"), "\(again)")
        }
    }

    @Test func whoReadsIsToldWhichFileCannotBeRead() throws {
        try VerifyBench.use { store in
            let (row, other) = (try store.row("small/2/2"), try store.row("small/0/3"))
            let blob = store.blob(row)
            let before = try StoreDigest.of(store.store)
            expectSentence(try store.bench.run("cat", row.key, environment: faults(name(blob))), blob)
            #expect(try store.bench.run("cat", other.key, environment: faults(name(blob))).stdout == other.content)

            let target = "\(store.bench.directory)/target"
            expectSentence(
                try store.bench.run("export", target, "--link", "copy", environment: faults(name(blob))), blob)
            #expect(!Files.exists("\(target)/\(row.key)"))
            try store.bench.succeed("export", target)
            #expect(try Files.read("\(target)/\(row.key)", limit: 100) == row.content)

            let point = "\(store.bench.directory)/mnt"
            try Files.createDirectory(point)
            defer { store.bench.unmount(point) }
            let mount = try store.bench.run("mount", point, "--no-passthrough", environment: faults(name(blob)))
            #expect(mount.status == 0, "\(mount)")
            let read = #expect(throws: IcecoreError.self) { try Files.read("\(point)/\(row.key)", limit: 100) }
            #expect(read?.errno == EIO)
            #expect(try Files.read("\(point)/\(other.key)", limit: 100) == other.content)
            store.bench.unmount(point)
            let log = String(decoding: try Files.read("\(store.store)/mount.log", limit: 1 << 20), as: UTF8.self)
            #expect(log.contains(row.key) && log.contains("Input/output error"), "\(log)")
            try Files.remove("\(store.store)/mount.log")
            StoreDigest.expectSame(try StoreDigest.of(store.store), before)
        }
    }

    @Test func anIndexThatCannotBeReadIsSaidToBe() throws {
        try VerifyBench.use { store in
            let views = try store.views()
            let before = try StoreDigest.of(store.store)
            let index = "\(store.store)/index.sqlite"
            let target = "\(store.bench.directory)/target"
            let point = "\(store.bench.directory)/mnt"
            try Files.createDirectory(point)
            for words in [
                ["ls"], ["cat", "shared/a"], ["snapshots"], ["status"], ["versions", "parted"], ["sync"],
                ["prune", "--keep-last", "1"], ["export", target], ["mount", point],
            ] {
                let words = [words[0], "--store", store.store] + words.dropFirst()
                expectSentence(try store.bench.run(words, environment: faults("index.sqlite")), index)
            }
            #expect(!Bench.isMounted(point))
            let verify = try store.bench.run("verify", "--json", environment: faults("index.sqlite"))
            #expect(verify.status == 1 && verify.text.contains("Input/output error"), "\(verify)")
            let repair = try store.bench.run("verify", "--repair", "--json", environment: faults("index.sqlite"))
            #expect(repair.status == 1, "\(repair)")
            try Files.remove("\(store.store)/verify.state")
            StoreDigest.expectSame(try StoreDigest.of(store.store), before)
            #expect(try store.views() == views)
        }
    }

    @Test func anInventoryThatCannotBeReadChangesNothing() throws {
        try VerifyBench.use { store in
            let third = "2024-03-04T01-00Z"
            try store.sync.add(third, store.rows)
            let before = try StoreDigest.of(store.store)
            for file in ["\(third)-0.csv.gz", "\(third)/manifest.json"] {
                let run = try store.bench.run("sync", environment: faults(file))
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains(file) && run.stderr.contains("Input/output error"), "\(run)")
                StoreDigest.expectSame(try StoreDigest.of(store.store), before)
            }
            try store.bench.succeed("sync")
            // What is kept of one cannot be read: it is found, and the index can be made without it.
            let kept = "inventories/\(third)/data/\(third)-0.csv.gz"
            let verify = try store.bench.run("verify", "--json", environment: faults(kept))
            #expect(verify.status == 1, "\(verify)")
            #expect(try verify.records.compactMap { $0["path"] as? String } == [kept], "\(verify)")
            let views = try store.views()
            let reindex = try store.bench.run("reindex", environment: faults(kept))
            #expect(reindex.status == 1 && reindex.stderr.contains("Input/output error"), "\(reindex)")
            #expect(reindex.stderr.contains("Nothing was changed"), "\(reindex)")
            #expect(try store.views() == views)
            try store.bench.succeed("reindex")
            #expect(try store.findings(status: 0).isEmpty)
            #expect(try store.views() == views)
        }
    }
}
