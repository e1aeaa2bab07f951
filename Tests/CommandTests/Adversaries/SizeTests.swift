import Basics
import Foundation
import Testbed
import Testing

@testable import ReferenceModel

/// What is far too large, and what small things say that would be: one clear sentence, and never more memory than a sync
/// is allowed.
@Suite struct SizeTests {
    /// As everywhere: 512 MiB. These programs are not optimized, and need less all the same.
    private static let mostMemory = 512 << 10

    /// Runs a sync that is to end in a sentence.
    private static func refuse(
        _ scenario: Scenario, says: String..., status: Int32 = 1, seconds: Double = 120,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let (run, peak) = try scenario.measured(["sync", "--store", scenario.store], seconds: seconds)
        #expect(run.status == status, "\(run)", sourceLocation: sourceLocation)
        for text in says { #expect(run.stderr.contains(text), "\(text): \(run)", sourceLocation: sourceLocation) }
        #expect(peak < mostMemory, "\(run)", sourceLocation: sourceLocation)
        #expect(run.stderr.utf8.count < 4000, "a sentence that fills the screen", sourceLocation: sourceLocation)
        #expect(try scenario.succeed("snapshots", "--json").stdout.isEmpty, sourceLocation: sourceLocation)
    }

    private static let name = "2024-03-02T01-00Z"
    private static let rows = [InventoryFolder.Row("key", bytes("content"))]

    /// Writes an inventory whose one list file is a gzip of `text`, `count` times: of what says the same, a thousandth.
    private static func write(_ scenario: Scenario, before: String = "", unit: [UInt8], count: Int) throws {
        let before = before.isEmpty ? [] : try gzip(bytes(before))
        let unit = try gzip(unit)
        try scenario.folder.write(
            name, rows,
            spoilFile: { file in
                file = before
                file.reserveCapacity(before.count + unit.count * count)
                for _ in 0..<count { file += unit }
            })
    }

    /// 10^12 bytes take a gigabyte; the ordinary share is a hundredth of it.
    @Test func aListFileOfZeros() throws {
        let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] != nil
        let total = isSoak ? 1_000_000_000_000 : 10_000_000_000
        try Scenario.withBucket { scenario in
            let unit = 10_000_000
            try Self.write(scenario, unit: [UInt8](repeating: 0, count: unit), count: total / unit)
            try Self.refuse(scenario, says: "list file", "longer than 1 MiB", seconds: 600)
        }
        if isSoak { print("a list file of \(total) zeros was refused") }
    }

    @Test(arguments: ["\"bucket\",\"", "bucket,", "\"bucket\",\"a\"\""])
    func aFieldOfTwoGigabytes(_ beginning: String) throws {
        try Scenario.withBucket { scenario in
            let unit = 8 << 20
            try Self.write(
                scenario, before: beginning, unit: [UInt8](repeating: 97, count: unit), count: (2 << 30) / unit)
            try Self.refuse(scenario, says: "list file", "line 1", "longer than 1 MiB")
        }
    }

    @Test func aHundredThousandColumns() throws {
        try Scenario.withBucket { scenario in
            let columns = InventoryFolder.columns + (0..<100_000).map { "Column\($0)" }
            try scenario.folder.write(Self.name, Self.rows, columns: columns)
            try Self.refuse(scenario, says: "more than 1000 columns")
            // And in the list file alone.
            try scenario.folder.write(
                "2024-03-03T01-00Z", Self.rows,
                spoilText: { $0 = Array(repeating: "\"bucket\"", count: 100_000).joined(separator: ",") + "\n" })
            try Self.refuse(scenario, says: "list file", "line 1")
        }
    }

    @Test func aHugeManifest() throws {
        try Scenario.withBucket { scenario in
            let digest = String(repeating: "0", count: 32)
            try scenario.folder.write(
                Self.name, Self.rows,
                spoilManifest: { text in
                    let files = (0..<1_000_000).map {
                        #"{"key": "all/bucket/data/\#($0)", "MD5checksum": "\#(digest)"}"#
                    }
                    text = text.replacing("\"files\": [", with: "\"files\": [" + files.joined(separator: ",") + ",")
                })
            try Self.refuse(scenario, says: "manifest.json", "larger than", "not plausible")
            // As large as may be, and empty of sense.
            try scenario.folder.write(
                "2024-03-03T01-00Z", Self.rows,
                spoilManifest: { text in
                    let objects = String(repeating: "{},", count: (31 << 20) / 3)
                    text = text.replacing("\"files\": [", with: "\"files\": [" + objects)
                })
            try Self.refuse(scenario, says: "manifest", "more than 3000000 fields")
            try scenario.folder.write(
                "2024-03-04T01-00Z", Self.rows,
                spoilManifest: { $0 = String(repeating: "[", count: 31 << 20) })
            try Self.refuse(scenario, says: "manifest", "more than 3000000 fields")
            // As many as are looked at.
            try scenario.folder.write(
                "2024-03-04T02-00Z", Self.rows,
                spoilManifest: { text in
                    let objects = String(repeating: "{},", count: 1_490_000)
                    text = text.replacing("\"files\": [", with: "\"files\": [" + objects)
                })
            try Self.refuse(scenario, says: "manifest", "files[].key")
            try scenario.folder.write(
                "2024-03-04T03-00Z", Self.rows, spoilManifest: { $0 = String(repeating: "[", count: 2_900_000) })
            try Self.refuse(scenario, says: "manifest", "not a JSON object")
            // More list files than there can be, each in as few bytes as it takes.
            try scenario.folder.write(
                "2024-03-05T01-00Z", Self.rows,
                spoilManifest: { text in
                    let files = (0..<400_000).map { #"{"key":"\#($0)","MD5checksum":"\#(digest)"}"# }
                    text = text.replacing("\"files\": [", with: "\"files\": [" + files.joined(separator: ",") + ",")
                })
            try Self.refuse(scenario, says: "more than 150000 list files")
        }
    }

    // MARK: - XML

    private static let laughs: String = {
        var text = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol0 \"lol\">"
        for level in 1...9 {
            let uses = String(repeating: "&lol\(level - 1);", count: 10)
            text += "<!ENTITY lol\(level) \"\(uses)\">"
        }
        return text + "]>"
    }()
    private static let nesting = String(repeating: "<a>", count: 1_000_000)

    /// What a server says; its name is what tests print.
    struct LargeAnswer: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var text: String
        var says = ""
    }

    /// The answer to the question which inventories there are.
    @Test(arguments: [
        LargeAnswer(
            testDescription: "entities", text: laughs + "<ListBucketResult><Name>&lol9;</Name></ListBucketResult>",
            says: "document type"),
        LargeAnswer(
            testDescription: "nesting", text: "<ListBucketResult>" + nesting + "</ListBucketResult>",
            says: "nested too deeply"),
        LargeAnswer(
            testDescription: "characters", text: "<ListBucketResult>" + String(repeating: "&#65;", count: 3_000_000),
            says: "ends early"),
    ])
    func aListingThatGrows(_ answer: LargeAnswer) throws {
        try Scenario.withBucket { scenario in
            try Self.useListing(scenario)
            _ = try scenario.run("sync")
            let target = try #require(
                try scenario.server.statistics().targets.keys.first { $0.contains("list-type=2") })
            try scenario.server.can(target, FaultServer.Canned(body: answer.text))
            try Self.refuse(scenario, says: answer.says)
        }
    }

    /// Many small things in an answer of a size that is looked at.
    @Test func aListingOfVeryMuch() throws {
        try Scenario.withBucket { scenario in
            try Self.useListing(scenario)
            _ = try scenario.run("sync")
            let target = try #require(
                try scenario.server.statistics().targets.keys.first { $0.contains("list-type=2") })
            let object = "<Contents><Key>k</Key></Contents>"
            try scenario.server.can(
                target, FaultServer.Canned(body: "<ListBucketResult>" + String(repeating: object, count: 700_000)))
            try Self.refuse(scenario, says: "ends early")
        }
    }

    /// Has the store look for its inventories in a bucket.
    private static func useListing(_ scenario: Scenario) throws {
        let path = "\(scenario.store)/icecore.json"
        let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
        try Files.replace(path, with: bytes(text.replacing(scenario.folder.url, with: "s3://bucket/inventory/")))
    }

    /// The answer to the question for an object. The sync goes on, and says what it could not have.
    @Test(arguments: [
        LargeAnswer(
            testDescription: "entities",
            text: laughs + "<Error><Code>AccessDenied</Code><Message>&lol9;</Message></Error>"),
        LargeAnswer(testDescription: "nesting", text: "<Error>" + nesting),
        LargeAnswer(
            testDescription: "a long message",
            text: "<Error><Code>A</Code><Message>" + String(repeating: "m", count: 20 << 20) + "</Message></Error>"),
        LargeAnswer(testDescription: "no XML", text: String(repeating: "x", count: 20 << 20)),
    ])
    func anErrorThatGrows(_ answer: LargeAnswer) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, Self.rows)
            for target in [scenario.target(Self.rows[0]), "/\(Scenario.bucket)/key"] {
                try scenario.server.can(target, FaultServer.Canned(status: 403, body: answer.text))
            }
            let run = try scenario.run("sync")
            #expect(run.status == 3 && run.stderr.contains("403"), "\(run)")
            #expect(run.stderr.utf8.count < 2000, "\(run)")
        }
    }
}
