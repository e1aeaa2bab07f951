import Basics
import Foundation
import Synchronization
import Testing

@testable import Inventory

/// Parquet files that are as they should be.
@Suite struct ParquetFileTests {
    private func check(_ name: String, _ columns: [WantedColumn] = ParquetSamples.columns) throws {
        try check(ParquetSamples.path(name), ParquetSamples.expected(name), columns)
    }

    private func check(_ path: String, _ expected: [[UInt8]], _ columns: [WantedColumn]) throws {
        let lines = try ParquetFile(path: path, columns: columns).lines(columns)
        #expect(lines.count == expected.count)
        let different = zip(lines, expected).enumerated().first { $0.element.0 != $0.element.1 }
        if let (row, pair) = different {
            let shown = [pair.0, pair.1].map { Display.escaped($0) }
            Issue.record("row \(row + 1) of \(path) is \(shown[0]), not \(shown[1])")
        }
    }

    @Test(arguments: ["1-dictionary", "1-plain", "2-dictionary", "2-plain"], ["none", "snappy", "gzip"])
    func everyVersionAndCompressionGivesTheSameRows(_ kind: String, compression: String) throws {
        for size in ["large", "nulls", "groups", "pages"] { try check("\(kind)-\(compression)-\(size)") }
    }

    @Test(arguments: ["delta-1-a", "delta-1-b", "delta-2-a", "delta-2-b"])
    func differencesGiveTheSameRows(_ name: String) throws {
        try check(name)
        try check(name + "-pages")
    }

    @Test(arguments: ["none-at-all", "one", "all-null", "given-up", "others-1", "others-2"])
    func everySettingOfTheWriterGivesTheSameRows(_ name: String) throws {
        try check(name)
    }

    /// What AWS uses. The file is a fixture, or a large one that has been made for this: see
    /// Fixtures/parquet/parquet-java.py.
    @Test func filesOfParquetJavaGiveTheRowsThatWentIntoThem() throws {
        let folder = ProcessInfo.processInfo.environment["ICECORE_PARQUET_JAVA"] ?? ParquetSamples.fixtures
        for name in ["java", "java-2"] {
            try check("\(folder)/\(name).parquet", ORCSamples.lines("\(folder)/java.txt"), ParquetSamples.columns)
        }
    }

    @Test func rowGroupsAreGroups() throws {
        let file = try ParquetFile(
            path: ParquetSamples.path("1-dictionary-snappy-groups"), columns: ParquetSamples.columns)
        #expect(file.groupCount == 15)
        #expect((0..<15).map { file.rowCount(ofGroup: $0) } == [Int](repeating: 7, count: 14) + [2])
    }

    @Test(arguments: ["integers-all", "integers-nulls", "shorts", "unsigned"])
    func integersOfEveryWidth(_ name: String) throws {
        for encoding in ["PLAIN", "DELTA_BINARY_PACKED"] {
            try check("\(name)-\(encoding)", ParquetSamples.columns("Key", "Size"))
        }
        if name == "shorts" || name == "unsigned" {
            try check("\(name)-dictionary", ParquetSamples.columns("Key", "Size"))
            try check("bytes", ParquetSamples.columns("Key", "Size"))
        }
    }

    @Test(arguments: ["ms", "us", "ns"], ["utc", "local"])
    func timesOfEveryUnitBeforeAndAfter1970(_ unit: String, zone: String) throws {
        for kind in ["dictionary", "plain"] {
            try check("times-\(unit)-\(zone)-\(kind)", ParquetSamples.columns("Key", "LastModifiedDate"))
        }
    }

    @Test func textsMayBeLongerThanPagesOrAllOfOneLength() throws {
        for name in ["long", "fixed-plain", "fixed-dictionary", "fixed-delta"] {
            try check(name, ParquetSamples.columns("Bucket", "Key"))
        }
    }

    @Test func columnsComeInTheOrderInWhichTheyAreWanted() throws {
        try ColumnarChecks.expectAnyOrder(of: ParquetSamples.columns, ParquetSamples.expected("order")) {
            try ParquetFile(path: ParquetSamples.path("order"), columns: $0)
        }
    }

    @Test func aColumnThatTheFileLacksIsLeftAlone() throws {
        try ColumnarChecks.expectMissingColumn(beside: ParquetSamples.columns("Key")[0]) {
            try ParquetFile(path: ParquetSamples.path("one"), columns: $0)
        }
    }

    @Test func rowGroupsAreDecodedByThreadsAtOnce() throws {
        let name = "2-dictionary-gzip-pages"
        let file = try ParquetFile(path: ParquetSamples.path(name), columns: ParquetSamples.columns)
        let expected = try ParquetSamples.expected(name)
        let counts = Mutex([Int](repeating: 0, count: file.groupCount))
        DispatchQueue.concurrentPerform(iterations: file.groupCount * 4) { index in
            let number = index % file.groupCount
            guard let group = try? file.group(number) else { return }
            let vectors = ParquetSamples.columns.map { _ in ColumnVector() }
            let first = (0..<number).reduce(0) { $0 + file.rowCount(ofGroup: $1) }
            var row = first
            while let count = try? group.next(into: vectors), count > 0 {
                for index in 0..<count where !vectors[7].hasNulls || !vectors[7].isNull[index] {
                    let fields = expected[row + index].split(separator: 0x1f, omittingEmptySubsequences: false)
                    guard Array(vectors[7].texts[index].bytes) == Array(fields[7]) else { return }
                }
                row += count
            }
            counts.withLock { $0[number] += row - first }
        }
        #expect(counts.withLock { $0 } == (0..<file.groupCount).map { file.rowCount(ofGroup: $0) * 4 })
    }

    /// Hands on bytes with as many behind them as there are behind a page.
    private func withPadding<Value>(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Value
    ) rethrows -> Value {
        let padded = bytes + [UInt8](repeating: 0xff, count: ColumnarBuffer.padding)
        return try padded.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<bytes.count])) }
    }

    /// The examples of the specification.
    @Test func runsAndDifferencesAreReadAsTheSpecificationSays() throws {
        let packed: [UInt32] = try withPadding([0x03, 0x88, 0xc6, 0xfa, 0x06, 0x05]) { bytes in
            var runs = ParquetRuns(bytes, width: 3)
            var numbers = [UInt32](repeating: 0, count: 11)
            // In two parts, so that a run is taken up again.
            for (start, count) in [(0, 5), (5, 6)] {
                try numbers.withUnsafeMutableBufferPointer {
                    try runs.decode(count, into: #require($0.baseAddress) + start)
                }
            }
            return numbers
        }
        #expect(packed == [0, 1, 2, 3, 4, 5, 6, 7, 5, 5, 5])
        let examples: [([UInt8], [Int64])] = [
            ([8, 1, 5, 2, 2, 0], [1, 2, 3, 4, 5]),
            ([8, 1, 8, 14, 3, 2, 0xc0, 0x3f], [7, 5, 3, 1, 2, 3, 4, 5]),
        ]
        for (bytes, expected) in examples {
            let numbers: [Int64] = try withPadding(bytes + [42]) { bytes in
                var delta = try ParquetDelta(bytes)
                #expect(Array(try delta.rest()) == [42])
                var numbers = [Int64](repeating: 0, count: delta.left)
                for start in numbers.indices {
                    try numbers.withUnsafeMutableBufferPointer {
                        try delta.decode(1, into: #require($0.baseAddress) + start)
                    }
                }
                return numbers
            }
            #expect(numbers == expected)
        }
    }
}
