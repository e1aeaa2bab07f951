import Basics
import Foundation
import Testing

@testable import Inventory

/// Parquet files that other people's writers have made: see Fixtures/parquet/parquet-samples.py.
enum ParquetSamples {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    private static let place = FileManager.default.temporaryDirectory.path + "/parquet-samples-\(getpid())"

    /// Where they are; made once for all tests.
    private static let directory = Result {
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: ParquetSamples.place) }
        let root = tests.deletingLastPathComponent().deletingLastPathComponent().path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: root + "/.build/testbed-venv/bin/python3")
        process.arguments = ["-B", tests.path + "/Fixtures/parquet/parquet-samples.py", place]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "parquet-samples.py has failed: is the test bed installed?")
        return place
    }

    static func path(_ name: String) throws -> String { try directory.get() + "/\(name).parquet" }

    static func bytes(_ name: String) throws -> [UInt8] { try Files.read(path(name), limit: 1 << 28) }

    /// What is in a sample, a line a row.
    static func expected(_ name: String) throws -> [[UInt8]] {
        try ORCSamples.lines(directory.get() + "/\(name).txt")
    }

    static let fixtures = tests.path + "/Fixtures/parquet"

    /// The columns of an inventory, by their names in a manifest.
    static let columns = ORCSamples.columns

    /// Some of the columns, in that order.
    static func columns(_ names: String...) -> [WantedColumn] {
        names.compactMap { name in columns.first { $0.name == name } }
    }
}

/// What is wrong with a Parquet file, as the half of a sentence that it ends; nil for nothing. Any other error is thrown on.
func parquetDamage(
    _ bytes: [UInt8], _ wanted: [WantedColumn] = ParquetSamples.columns
) throws -> ColumnarDamage? {
    do {
        _ = try ParquetFile(ColumnarSource(bytes: bytes), columns: wanted).lines(wanted)
        return nil
    } catch let damage as ColumnarDamage {
        return damage
    }
}
