import Basics
import Foundation
import Testbed
import Testing

@testable import ReferenceModel

/// Inventories in Parquet and ORC that somebody has damaged, and whose manifests vouch for the damage: a sentence, or the
/// view that was there before, and never more memory than a sync is allowed.
@Suite struct ColumnarDamageTests {
    private static let mostMemory = 512 << 10
    private static let name = "2024-03-02T01-00Z"

    /// A report of some thousand rows, and its one list file.
    private struct DamagedReport {
        let scenario: Scenario
        let list: String
        let manifest: String
        let original: [UInt8]

        init(_ scenario: Scenario, _ format: String, seed: UInt64) throws {
            self.scenario = scenario
            let folder = scenario.folder
            let rows = (0..<2000).map { InventoryFolder.Row("folder \($0 / 100)/key \($0)", bytes("content \($0)")) }
            try folder.write(name, rows)
            try ColumnarReports.write(folder.path, to: folder.path, format, seed: seed)
            list = "\(folder.path)/data/\(name)-0.\(format)"
            manifest = "\(folder.path)/\(name)/manifest.json"
            original = try Files.read(list, limit: 1 << 26)
        }

        /// Has the list file be these bytes, and the manifest and its checksum say so.
        func replace(_ content: [UInt8]) throws {
            let old = try Files.read(list, limit: 1 << 28)
            var text = String(decoding: try Files.read(manifest, limit: 1 << 20), as: UTF8.self)
            text = text.replacing(Hex.encode(MD5.digest(old)), with: Hex.encode(MD5.digest(content)))
            text = text.replacing("\"size\": \(old.count)", with: "\"size\": \(content.count)")
            try Files.replace(list, with: content)
            try Files.replace(manifest, with: Array(text.utf8))
            let checksum = Hex.encode(MD5.digest(Array(text.utf8)))
            try Files.replace(manifest.replacing(".json", with: ".checksum"), with: Array(checksum.utf8))
        }

        /// Syncs into a store of its own; what the view says, or nil if there was a sentence instead.
        func view(_ what: String) throws -> [UInt8]? {
            let store = "\(scenario.directory)/spoilt"
            _ = try scenario.shell("rm -rf '\(store)'")
            let made = try scenario.run([
                "init", store, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url,
            ])
            // A file that says nothing about itself is refused by init already.
            guard made.status == 0 else {
                #expect(made.status == 1 && made.complaints.count == 1, "\(what): \(made)")
                return nil
            }
            let (run, peak) = try scenario.measured(["sync", "--metadata-only", "--store", store], seconds: 120)
            #expect(peak < mostMemory, "\(what): \(run)")
            #expect(run.stderr.utf8.count < 2000, "\(what): \(run)")
            guard run.status == 0 else {
                #expect(run.status == 1 && run.stderr.contains("icecore: list file"), "\(what): \(run)")
                let snapshots = try scenario.run(["snapshots", "--json", "--store", store])
                #expect(snapshots.status == 0 && snapshots.stdout.isEmpty, "\(what): \(snapshots)")
                return nil
            }
            return try scenario.run(["ls", "-R", "--json", "--store", store]).stdout
        }
    }

    @Test(arguments: ["parquet", "orc"])
    func truncatedFilesAreRefused(format: String) throws {
        try Scenario.withBucket { scenario in
            let report = try DamagedReport(scenario, format, seed: 3)
            #expect(try report.view("whole") != nil)
            let count = report.original.count
            for length in [0, 1, 4, count / 2, count - 1] {
                try report.replace(Array(report.original.prefix(length)))
                #expect(try report.view("\(length) of \(count) bytes") == nil)
            }
            try report.replace(report.original + [0])
            #expect(try report.view("a byte too many") == nil)
        }
    }

    /// Where pages have checksums, what they hold cannot change unseen; without, every byte that is not noticed makes
    /// another right file.
    @Test(arguments: ["parquet", "orc"])
    func flippedBytesNeverEndTheProgram(format: String) throws {
        var random = SplitMix64(seed: 20)
        try Scenario.withBucket { scenario in
            let report = try DamagedReport(scenario, format, seed: 3)
            for _ in 0..<(ProcessInfo.processInfo.environment["ICECORE_SOAK"] == nil ? 10 : 1000) {
                var content = report.original
                let place = random.below(content.count)
                content[place] ^= 1 << UInt8(random.below(8))
                try report.replace(content)
                _ = try report.view("byte \(place)")
            }
        }
    }
}
