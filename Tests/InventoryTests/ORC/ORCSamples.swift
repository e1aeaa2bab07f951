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

extension ORCFile {
    /// Decodes everything, a line a row.
    func lines(_ wanted: [WantedColumn]) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for index in 0..<groupCount {
            let group = try group(index)
            // A column that the file does not have is left alone: it stays without values.
            let vectors = wanted.map { _ in
                let vector = ColumnVector()
                vector.hasNulls = true
                for row in 0..<ColumnVector.capacity { vector.isNull[row] = true }
                return vector
            }
            var count = 0
            while true {
                let rows = try group.next(into: vectors)
                if rows == 0 { break }
                for row in 0..<rows {
                    var line: [UInt8] = []
                    for (vector, column) in zip(vectors, wanted) {
                        if !line.isEmpty || column.name != wanted[0].name { line.append(0x1f) }
                        if vector.hasNulls, vector.isNull[row] {
                            line += "\\N".utf8
                        } else if case .text = column.kind {
                            line += vector.texts[row].bytes
                        } else {
                            line += "\(vector.numbers[row])".utf8
                        }
                    }
                    lines.append(line)
                }
                count += rows
            }
            #expect(count == rowCount(ofGroup: index))
        }
        return lines
    }
}

/// What is wrong with an ORC file, as the half of a sentence that it ends; nil for nothing. Any other error is thrown on.
func orcDamage(_ bytes: [UInt8], _ wanted: [WantedColumn] = ORCSamples.columns) throws -> ColumnarDamage? {
    do {
        _ = try ORCFile(ORCSource(bytes: bytes), columns: wanted).lines(wanted)
        return nil
    } catch let damage as ColumnarDamage {
        return damage
    }
}
