import Basics
import Foundation
import Testing

@testable import Inventory

/// ORC files that other people's writers have made: see Fixtures/orc/orc-samples.py.
enum ORCSamples {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    private static let place = FileManager.default.temporaryDirectory.path + "/orc-samples-\(getpid())"

    /// Where they are; made once for all tests.
    private static let directory = Result {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: ORCSamples.place) }
        let root = tests.deletingLastPathComponent().deletingLastPathComponent().path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: root + "/.build/testbed-venv/bin/python3")
        process.arguments = ["-B", tests.path + "/Fixtures/orc/orc-samples.py", place]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "orc-samples.py has failed: is the test bed installed?")
        return place
    }

    static func path(_ name: String) throws -> String { try directory.get() + "/\(name).orc" }

    static func bytes(_ name: String) throws -> [UInt8] { try Files.read(path(name), limit: 1 << 28) }

    /// What is in a sample, a line a row.
    static func expected(_ name: String) throws -> [[UInt8]] {
        try lines(directory.get() + "/\(name).txt")
    }

    static let fixtures = tests.path + "/Fixtures/orc"

    static func lines(_ path: String) throws -> [[UInt8]] {
        let text = try Files.read(path, limit: 1 << 30)
        return text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map(Array.init)
    }

    /// The columns of an inventory, by their names in a manifest.
    static let columns = [
        WantedColumn(name: "Bucket", kind: .text), WantedColumn(name: "Key", kind: .text),
        WantedColumn(name: "VersionId", kind: .text), WantedColumn(name: "IsLatest", kind: .boolean),
        WantedColumn(name: "IsDeleteMarker", kind: .boolean), WantedColumn(name: "Size", kind: .integer),
        WantedColumn(name: "LastModifiedDate", kind: .time), WantedColumn(name: "ETag", kind: .text),
        WantedColumn(name: "StorageClass", kind: .text), WantedColumn(name: "IsMultipartUploaded", kind: .boolean),
        WantedColumn(name: "EncryptionStatus", kind: .text),
        WantedColumn(name: "IntelligentTieringAccessTier", kind: .text),
    ]

    /// Some of the columns, in that order.
    static func columns(_ names: String...) -> [WantedColumn] {
        names.compactMap { name in columns.first { $0.name == name } }
    }
}

/// What is wrong with an ORC file, as the half of a sentence that it ends; nil for nothing. Any other error is thrown on.
func orcDamage(_ bytes: [UInt8], _ wanted: [WantedColumn] = ORCSamples.columns) throws -> ColumnarDamage? {
    do {
        _ = try ORCFile(ColumnarSource(bytes: bytes), columns: wanted).lines(wanted)
        return nil
    } catch let damage as ColumnarDamage {
        return damage
    }
}
