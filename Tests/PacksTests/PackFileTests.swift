import Basics
import Foundation
import Model
import Testing

@testable import Packs

@Suite struct PackFileTests {
    /// One of each kind of each size, small ones and such as are written without a buffer.
    private static let samples: [Sample] = {
        var random = SeededNumbers(1)
        let sizes = [0, 1, 2, 3, 7, 8, 9, 4083, 4084, 4096, 65_536, 524_288, 524_289, 1_048_576, 3_000_000]
        return sizes.flatMap { size in
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            return [Sample.plain(bytes), .sha256(bytes), .multipart(bytes, parts: 10_000)]
        }
    }()

    @Test func whatIsWrittenIsFound() throws {
        let scratch = try PackScratch()
        let (pack, places) = try scratch.write(Self.samples)
        let path = scratch.folder.path(of: pack.name)
        #expect(Files.size(path) == pack.size && pack.count == Self.samples.count)
        #expect(!Files.exists(scratch.unfinished))
        #expect(try Hex.encode(SHA256.digest(scratch.bytes(pack))) == "\(pack.name)")
        let file = try PackFile(path: path)
        #expect(file.count == pack.count && file.contentBytes == pack.contentBytes && file.size == pack.size)
        #expect(file.contentBytes == Self.samples.reduce(0) { $0 + $1.name.size })
        for (sample, place) in zip(Self.samples, places) {
            #expect(try file.find(sample.name) == place)
            #expect(try file.bytes(sample.name) == sample.bytes)
            let record = try file.record(at: place, sample.name)
            var half = [UInt8](repeating: 0, count: sample.bytes.count / 2)
            let rest = sample.bytes.count - half.count
            try half.withUnsafeMutableBytes { try file.read(record, into: $0, at: Int64(rest)) }
            #expect(half == Array(sample.bytes.suffix(half.count)))
        }
        #expect(try file.isWhole(pack.name))
        var records: [PackRecord] = []
        try file.verify {
            records.append($0)
        } damaged: {
            Issue.record("\($0)")
        }
        #expect(records.map(\.name) == Self.samples.map(\.name) && records.map(\.place) == places)
        #expect(try PackScan(file).all().records == records)
        let scan = try PackScan(path: path).all()
        #expect(scan.records == records && scan.damage.isEmpty && scan.soundEnd == records.last?.end)
    }

    @Test(arguments: [1, 2, 203, 204, 205, 408, 409, 20_000])
    func directoriesOfAnySizeAreSearched(_ count: Int) throws {
        let scratch = try PackScratch()
        let samples = (0..<count).map { Sample.plain(Array("content \($0)".utf8)) }
        let (pack, places) = try scratch.write(samples)
        let file = try PackFile(path: scratch.folder.path(of: pack.name))
        for (sample, place) in zip(samples, places) {
            let found = try file.find(sample.name)
            if found != place { Issue.record("\(sample.name) is at \(found ?? 0), not at \(place)") }
        }
        for number in 0..<500 {
            #expect(try file.find(Sample.plain(Array("no content \(number)".utf8)).name) == nil)
        }
        let cursor = file.entries()
        var entries: [PackEntry] = []
        while let entry = try cursor.read() { entries.append(entry) }
        #expect(entries.map(\.key) == samples.compactMap { PackKey($0.name) }.sorted())
    }

    /// Keys that are not evenly spread are found as well, if not as fast.
    @Test func keysThatWereMadeOnPurposeAreFound() throws {
        let scratch = try PackScratch()
        let keys = (0..<UInt64(3000)).map { $0 < 2990 ? $0 : .max - 3000 + $0 }
        let samples = keys.map { Sample(name: .etag(ETag(high: $0 / 7, low: $0, parts: 1), size: 1), bytes: [1]) }
        let (pack, places) = try scratch.write(samples)
        let file = try PackFile(path: scratch.folder.path(of: pack.name))
        for (sample, place) in zip(samples, places) { #expect(try file.find(sample.name) == place) }
        #expect(try file.find(.etag(ETag(high: .max, low: .max, parts: 1), size: 1)) == nil)
        #expect(try file.find(.etag(ETag(high: 500, low: 0, parts: 1), size: 1)) == nil)
    }

    @Test func contentsCostAFewBytesMore() throws {
        let scratch = try PackScratch()
        let samples = (0..<10_000).map { number in
            Sample.plain(Array(repeating: 7, count: 1272) + withUnsafeBytes(of: number, Array.init))
        }
        let (pack, _) = try scratch.write(samples)
        #expect(samples[0].bytes.count == 1280)
        #expect(Double(pack.size - pack.contentBytes) / 10_000 <= 33.1)
    }

    @Test func noContentIsThereTwice() throws {
        let scratch = try PackScratch()
        let writer = try PackWriter(path: scratch.unfinished)
        let sample = Sample.plain([1, 2, 3])
        #expect(try writer.append(sample) == 20)
        #expect(try writer.append(sample) == nil && writer.refuses(sample.name))
        // The same key, with another size, or as that of a multipart upload.
        let etag = ETag(md5: MD5.digest([1, 2, 3]))
        #expect(try writer.append(Sample(name: .etag(etag, size: 1), bytes: [9])) == nil)
        let parts = ETag(high: etag.high, low: etag.low, parts: 2)
        #expect(try writer.append(Sample(name: .etag(parts, size: 3), bytes: [1, 2, 3])) == nil)
        // Nor what no pack can hold, or what is not as long as it says.
        #expect(writer.refuses(.etag(ETag(Array("opaque".utf8)), size: 3)))
        #expect(writer.refuses(.etag(ETag.empty, size: 1 << 32)) && !writer.refuses(.etag(ETag.empty, size: 0)))
        #expect(try writer.append(Sample(name: .etag(ETag.empty, size: 0), bytes: [9])) == nil)
        let pack = try #require(try writer.finish(in: scratch.folder))
        #expect(pack.count == 1)
        let file = try PackFile(path: scratch.folder.path(of: pack.name))
        #expect(try file.bytes(sample.name) == [1, 2, 3])
        // Its place is known, but it is another content's.
        #expect(try file.find(.etag(etag, size: 1)) == 20)
        #expect(code { _ = try file.bytes(.etag(etag, size: 1)) } == .damaged)
        #expect(code { _ = try file.record(at: 20, .etag(parts, size: 3)) } == .damaged)
        #expect(code { _ = try file.record(at: 21, sample.name) } == .damaged)
    }

    @Test func aPackOfNothingIsNone() throws {
        let scratch = try PackScratch()
        let writer = try PackWriter(path: scratch.unfinished)
        #expect(try writer.finish(in: scratch.folder) == nil)
        #expect(!Files.exists(scratch.unfinished))
        #expect(code { _ = try writer.append(.plain([1])) } == .system)
    }

    @Test func aNameThatIsTakenIsLeftAlone() throws {
        let scratch = try PackScratch()
        let (pack, _) = try scratch.write([.plain([1])])
        let path = scratch.folder.path(of: pack.name)
        #expect(try scratch.write([.plain([1])]).pack == pack)
        #expect(!Files.exists(scratch.unfinished))
        try Files.replace(path, with: [0])
        #expect(code { _ = try scratch.write([.plain([1])]) } == .damaged)
        #expect(try Files.read(path, limit: 100) == [0])
    }

    @Test func namesAreThoseOfFiles() throws {
        let name = try #require(PackName(digest: SHA256.digest([])))
        #expect(PackName("\(name)") == name && name.path.hasPrefix("e3/e3b0c44298fc1c14"))
        #expect(PackName("\(name)".uppercased()) == nil && PackName("") == nil && PackName(digest: [1]) == nil)
    }

    // MARK: - Other readers

    @Test func anotherLanguageReadsAPack() throws {
        let scratch = try PackScratch()
        var random = SeededNumbers(3)
        let samples =
            Sample.some((0..<500).map { $0 % 50 }.map { $0 + 4 } + [10_000], &random) + [.plain([]), .sha256([])]
        let (pack, _) = try scratch.write(samples)
        func run(_ words: String...) throws -> [UInt8] {
            let python = Process()
            let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/read_pack.py")
            python.executableURL = URL(filePath: "/usr/bin/python3")
            python.arguments = [script.path, scratch.folder.path(of: pack.name)] + words
            let pipe = Pipe()
            python.standardOutput = pipe
            try python.run()
            let output = Array(pipe.fileHandleForReading.readDataToEndOfFile())
            python.waitUntilExit()
            #expect(python.terminationStatus == 0)
            return output
        }
        let list = String(decoding: try run(), as: UTF8.self).split(separator: "\n").map(String.init)
        let ordered = samples.sorted { left, right in
            guard let left = PackKey(left.name), let right = PackKey(right.name) else { return false }
            return left < right
        }
        #expect(list == ordered.map(\.name.file))
        for sample in [samples[0], samples[1], samples[500], samples[501]] {
            #expect(try run(sample.name.file) == sample.bytes)
        }
    }
}
