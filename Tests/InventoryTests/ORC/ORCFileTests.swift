import Basics
import Foundation
import Synchronization
import Testing

@testable import Inventory

/// ORC files that are as they should be.
@Suite struct ORCFileTests {
    private func check(_ name: String, _ columns: [WantedColumn]) throws {
        try check(ORCSamples.path(name), ORCSamples.expected(name), columns)
    }

    private func check(_ path: String, _ expected: [[UInt8]], _ columns: [WantedColumn]) throws {
        let lines = try ORCFile(path: path, columns: columns).lines(columns)
        #expect(lines.count == expected.count)
        let different = zip(lines, expected).enumerated().first { $0.element.0 != $0.element.1 }
        if let (row, pair) = different {
            let shown = [pair.0, pair.1].map { Display.escaped($0) }
            Issue.record("row \(row + 1) of \(path) is \(shown[0]), not \(shown[1])")
        }
    }

    @Test(arguments: ["plain", "dictionary", "nulls", "small-blocks"], ["none", "zlib", "snappy"])
    func everyCompressionAndEncodingGivesTheSameRows(_ kind: String, compression: String) throws {
        try check("\(kind)-\(compression)", ORCSamples.columns)
    }

    @Test(arguments: [
        "best", "arrow-v1", "arrow-zlib", "arrow-stripes", "none-at-all", "one", "all-null", "others",
    ])
    func everySettingOfTheWritersGivesTheSameRows(_ name: String) throws {
        try check(name, ORCSamples.columns)
    }

    /// What AWS uses. The file is a fixture, or a large one that has been made for this: see Fixtures/orc/orc-java.py.
    @Test func filesOfORCJavaGiveTheRowsThatWentIntoThem() throws {
        let folder = ProcessInfo.processInfo.environment["ICECORE_ORC_JAVA"] ?? ORCSamples.fixtures
        try check("\(folder)/java.orc", ORCSamples.lines("\(folder)/java.txt"), ORCSamples.columns)
    }

    @Test func smallStripesAreManyGroups() throws {
        for name in ["small-blocks-zlib", "arrow-stripes"] {
            let file = try ORCFile(path: ORCSamples.path(name), columns: ORCSamples.columns)
            #expect(file.groupCount > 3, "\(name)")
        }
    }

    @Test(arguments: ["integers-all", "integers-all-v1", "integers-nulls", "integers-nulls-v1"])
    func integersInEveryKindOfRun(_ name: String) throws {
        try check(name, ORCSamples.columns("Key", "Size"))
    }

    @Test(arguments: ["times", "times-v1", "times-instant"])
    func timesBeforeAndAfter1970And2015(_ name: String) throws {
        try check(name, ORCSamples.columns("Key", "LastModifiedDate"))
    }

    @Test func textsMayBeLongerThanBlocks() throws {
        try check("long", ORCSamples.columns("Bucket", "Key"))
    }

    @Test func columnsComeInTheOrderInWhichTheyAreWanted() throws {
        #expect(try ORCFile(path: ORCSamples.path("order"), columns: ORCSamples.columns).groupCount == 1)
        try ColumnarChecks.expectAnyOrder(of: ORCSamples.columns, ORCSamples.expected("order")) {
            try ORCFile(path: ORCSamples.path("order"), columns: $0)
        }
    }

    @Test func aColumnThatTheFileLacksIsLeftAlone() throws {
        try ColumnarChecks.expectMissingColumn(beside: ORCSamples.columns("Key")[0]) {
            try ORCFile(path: ORCSamples.path("one"), columns: $0)
        }
    }

    @Test func stripesAreDecodedByThreadsAtOnce() throws {
        let file = try ORCFile(path: ORCSamples.path("arrow-stripes"), columns: ORCSamples.columns)
        let expected = try ORCSamples.expected("arrow-stripes")
        let counts = Mutex([Int](repeating: 0, count: file.groupCount))
        DispatchQueue.concurrentPerform(iterations: file.groupCount * 2) { index in
            guard let group = try? file.group(index % file.groupCount) else { return }
            let vectors = ORCSamples.columns.map { _ in ColumnVector() }
            let first = (0..<(index % file.groupCount)).reduce(0) { $0 + file.rowCount(ofGroup: $1) }
            var row = first
            while let count = try? group.next(into: vectors), count > 0 {
                for index in 0..<count {
                    let fields = expected[row + index].split(separator: 0x1f)
                    guard Array(vectors[1].texts[index].bytes) == Array(fields[1]) else { return }
                }
                row += count
            }
            counts.withLock { $0[index % file.groupCount] += row - first }
        }
        #expect(counts.withLock { $0 } == (0..<file.groupCount).map { file.rowCount(ofGroup: $0) * 2 })
    }

    /// The examples of the specification.
    @Test(
        arguments: [
            ([0x0a, 0x27, 0x10], [10_000, 10_000, 10_000, 10_000, 10_000]),
            ([0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef], [23_713, 43_806, 57_005, 48_879]),
            (
                [
                    0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46, 0x50, 0x5a,
                    0x64,
                    0x6e, 0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8,
                ],
                [
                    2030, 2000, 2020, 1_000_000, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120, 2130, 2140, 2150,
                    2160, 2170, 2180, 2190,
                ]
            ),
            ([0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46], [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]),
        ] as [([UInt8], [Int64])])
    func runsAreReadAsTheSpecificationSays(_ bytes: [UInt8], values: [Int64]) throws {
        // No compression, and the magic text.
        let end: [UInt8] = [0x10, 0, 0x82, 0xf4, 3, 3, 0x4f, 0x52, 0x43]
        let postscript = try end.withUnsafeBytes { try ORCPostscript($0) }
        let blocks = ORCBlockReader(ColumnarSource(bytes: bytes), try ORCBlockFormat(postscript), ColumnarMemory())
        let numbers = ORCIntegersV2(ORCStream(blocks: blocks, from: 0, to: Int64(bytes.count)), isSigned: false)
        var decoded = [Int64](repeating: 0, count: values.count)
        try decoded.withUnsafeMutableBufferPointer { target in
            try numbers.decode(values.count, into: #require(target.baseAddress))
        }
        #expect(decoded == values)
        #expect(try numbers.isAtEnd())
    }
}
