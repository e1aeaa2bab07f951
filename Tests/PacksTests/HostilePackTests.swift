import Basics
import Glibc
import Model
import Testing

@testable import Packs

/// Packs that no writer would write, with checks that agree.
@Suite struct HostilePackTests {
    private static let marker: UInt32 = 0x0BAD_F00D
    private static let samples = (0..<5).map { Sample.plain(Array(repeating: UInt8($0), count: 10 + $0)) }

    /// A pack of the samples, whose directory is changed.
    private static func pack(
        _ count: UInt32? = nil, contentBytes: Int64? = nil, directory: Int64? = nil, digest: [UInt8]? = nil,
        between: [UInt8] = [], change: (inout [PackEntry]) -> Void = { _ in }
    ) throws -> [UInt8] {
        var bytes = PackFrame.header(marker: marker)
        var entries: [PackEntry] = []
        var total: Int64 = 0
        for sample in samples {
            let place = UInt32(bytes.count)
            sample.bytes.withUnsafeBytes { RecordHeader.append(sample.name, $0, at: place, marker: marker, to: &bytes) }
            bytes += sample.bytes
            entries.append(PackEntry(key: try #require(PackKey(sample.name)), place: place))
            total += sample.name.size
        }
        bytes += between
        entries.sort()
        change(&entries)
        let start = Int64(bytes.count)
        var blocks: [UInt8] = []
        var writer = BlockWriter(.directory, marker: marker)
        for entry in entries { try writer.append(entry) { blocks += $0 } }
        try writer.finish { blocks += $0 }
        let trailer = PackTrailer(
            directory: directory ?? start, count: count ?? UInt32(entries.count), contentBytes: contentBytes ?? total,
            marker: marker, digest: digest ?? SHA256.digest(blocks))
        return bytes + blocks + trailer.bytes
    }

    private static func open(_ bytes: [UInt8]) throws -> PackFile {
        let file = try File.inMemory(size: Int64(bytes.count))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        return try PackFile(file)
    }

    @Test func numbersThatDoNotAgreeAreRefused() throws {
        #expect(try Self.open(try Self.pack()).count == 5)
        for count in [0, 1, 4, 6, 204, 205, .max] as [UInt32] {
            let bytes = try Self.pack(count)
            #expect(code { _ = try Self.open(bytes) } == .damaged, "\(count)")
        }
        for place in [0, 20, 84, 1 << 31, .max, .min, -1, .max - 100] as [Int64] {
            let bytes = try Self.pack(directory: place)
            #expect(code { _ = try Self.open(bytes) } == .damaged, "\(place)")
        }
        for total in [-1, .max, .min, 1000] as [Int64] {
            let bytes = try Self.pack(contentBytes: total)
            #expect(code { _ = try Self.open(bytes) } == .damaged, "\(total)")
        }
    }

    @Test func aNewerFormatIsSaidToBeOne() throws {
        var bytes = try Self.pack()
        bytes[11] = 2
        let check = PackFrame.crc32c(Array(bytes.prefix(16)))
        bytes.replaceSubrange(16..<20, with: withUnsafeBytes(of: check.bigEndian) { Array($0) })
        #expect(code { _ = try Self.open(bytes) } == .unsupported)
    }

    @Test func directoriesThatMisleadAreRefused() throws {
        func swapped(_ entries: inout [PackEntry]) { entries.swapAt(1, 2) }
        func twice(_ entries: inout [PackEntry]) { entries[1] = entries[0] }
        func beyond(_ entries: inout [PackEntry]) { entries[2] = PackEntry(key: entries[2].key, place: .max) }
        func inHeader(_ entries: inout [PackEntry]) { entries[2] = PackEntry(key: entries[2].key, place: 0) }
        func overlapping(_ entries: inout [PackEntry]) {
            entries[2] = PackEntry(key: entries[2].key, place: entries[1].place + 1)
        }
        func samePlace(_ entries: inout [PackEntry]) {
            entries[2] = PackEntry(key: entries[2].key, place: entries[1].place)
        }
        for change in [swapped, twice, beyond, inHeader, overlapping, samePlace] {
            let file = try Self.open(try Self.pack(change: change))
            #expect(code { try file.verify { _ in } } == .damaged)
            for sample in Self.samples {
                // Whatever is found is what was asked for.
                let found = try? file.bytes(sample.name)
                #expect(found == nil || found == sample.bytes)
            }
        }
        let file = try Self.open(try Self.pack(digest: Array(repeating: 0, count: 32)))
        #expect(code { try file.verify { _ in } } == .damaged)
    }

    @Test func whatLiesBetweenRecordsIsNoticed() throws {
        let file = try Self.open(try Self.pack(between: Array(repeating: 0, count: 100)))
        var damaged: [DamagedRecord] = []
        try file.verify { damaged.append($0) }
        #expect(damaged.map(\.key) == [PackKey(Self.samples[4].name)])
        // An entry for nothing, and a record that has none.
        let other = try Self.open(
            try Self.pack(change: { entries in
                entries[0] = PackEntry(key: PackKey(high: 0, low: 1), place: entries[0].place)
            }))
        damaged = []
        try other.verify { damaged.append($0) }
        #expect(damaged.map(\.key) == [PackKey(high: 0, low: 1)])
    }

    /// Each byte a marker, each record as long as the file: a scan that hashed all of them would take for ever.
    @Test func aScanEndsInTime() throws {
        let scratch = try PackScratch()
        var bytes = PackFrame.header(marker: Self.marker)
        while bytes.count < 4 << 20 {
            bytes.append(number: Self.marker)
            bytes.append(1)
            bytes.append(number: UInt32(1 << 20))
            bytes.append(number: UInt32(0))
        }
        let path = try scratch.put(bytes)
        // By the thread's own time: on a busy machine, a clock on the wall says little.
        var (start, end) = (timespec(), timespec())
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
        #expect(code { _ = try PackScan(path: path).all() } == .damaged)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        #expect(end.tv_sec - start.tv_sec < 30)
    }
}
