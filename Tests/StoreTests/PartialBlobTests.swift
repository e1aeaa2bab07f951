import Basics
import Foundation
import Testbed
import Testing
@testable import Blobs
@testable import Model
@testable import Store

@Suite struct PartialBlobTests {
    @Test(arguments: 1...5) func rangesAreTheSetOfTheirBytes(_: Int) {
        var ranges = ByteRanges()
        var bytes = Set<Int64>()
        for _ in 0..<200 {
            let from = Int64.random(in: 0..<300)
            let range = from..<from + Int64.random(in: 0..<20)
            if Int.random(in: 0..<4) == 0 {
                ranges.remove(contentsOf: range)
                bytes.subtract(range)
            } else {
                ranges.insert(contentsOf: range)
                bytes.formUnion(range)
            }
            #expect(ranges.count == Int64(bytes.count))
            #expect(Set(ranges.ranges.joined()) == bytes)
            #expect(zip(ranges.ranges, ranges.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            let place = Int64.random(in: 0..<300)
            let window = place..<place + Int64.random(in: 1..<50)
            let first = window.first { !bytes.contains($0) }
            let gap = ranges.firstGap(in: window)
            #expect(gap?.lowerBound == first)
            if let gap { #expect(gap.allSatisfy { !bytes.contains($0) } && gap.upperBound <= window.upperBound) }
            #expect(ranges.contains(window) == (first == nil))
        }
    }

    private static let etag = ETag(Array("0123456789abcdef0123456789abcdef-3".utf8))

    private func withStore(_ body: (Store) throws -> Void) throws {
        try Testbed.withDirectory { directory in
            try body(
                Store.create(
                    at: "\(directory)/store",
                    StoreConfiguration(bucket: "bucket", inventory: "file:///nowhere/")))
        }
    }

    private func write(_ partial: PartialBlob, _ byte: UInt8, _ range: Range<Int64>) throws {
        try [UInt8](repeating: byte, count: range.count).withUnsafeBytes { try partial.write($0, at: range.lowerBound) }
    }

    @Test func whatWasNotedIsThereAfterwards() throws {
        try withStore { store in
            var partial: PartialBlob! = try PartialBlob(store, etag: Self.etag, size: 1000)
            try write(partial, 1, 0..<100)
            try partial.note(0..<100)
            try write(partial, 2, 500..<600)
            try partial.note(500..<600)
            try write(partial, 3, 700..<800)
            partial = nil
            partial = try PartialBlob(store, etag: Self.etag, size: 1000)
            #expect(Array(partial.present.ranges) == [0..<100, 500..<600], "the last was not noted")
            var bytes = [UInt8](repeating: 9, count: 100)
            try bytes.withUnsafeMutableBytes { try partial.read(into: $0, at: 500) }
            #expect(bytes == [UInt8](repeating: 2, count: 100))
        }
    }

    @Test func afterABootOnlyWhatWasMadeDurableCounts() throws {
        try withStore { store in
            var partial: PartialBlob! = try PartialBlob(store, etag: Self.etag, size: 1000)
            try partial.note(0..<300)
            try partial.makeDurable(partial.present)
            try partial.note(300..<600)
            let log = try String(contentsOfFile: partial.logPath, encoding: .utf8)
            let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(log.contains(boot))
            try log.replacing(boot, with: "another-boot").write(
                toFile: partial.logPath, atomically: false, encoding: .utf8)
            partial = nil
            partial = try PartialBlob(store, etag: Self.etag, size: 1000)
            #expect(Array(partial.present.ranges) == [0..<300])
        }
    }

    @Test func aSpoiltLogIsNotBelieved() throws {
        try withStore { store in
            let path = PartialBlob.path(store, etag: Self.etag, size: 1000)
            for (log, expected) in [
                ("icecore-partial 1\n0 10 -\n20 3", [0..<10]),
                ("0 10 -\n\n\n-5 9 -\n5 2000 -\n12 12 -\n30 20 -\n", [0..<10]),
                ("99999999999999999999 5 -\n1 2 3 4\n\u{0}\u{0}\n0 1001 -\n999 1000 -", []), ("", []),
                (String(repeating: "x", count: 100_000) + "\n5 6 -\n", [5..<6]),
            ] as [(String, [Range<Int64>])] {
                _ = try PartialBlob(store, etag: Self.etag, size: 1000)
                try log.write(toFile: path + ".log", atomically: false, encoding: .utf8)
                do {
                    let partial = try PartialBlob(store, etag: Self.etag, size: 1000)
                    #expect(Array(partial.present.ranges) == expected, "\(log.prefix(40))")
                    // What is noted after a line that was cut stands on a line of its own.
                    try partial.note(700..<701)
                }
                #expect(try PartialBlob(store, etag: Self.etag, size: 1000).present.contains(700..<701))
            }
        }
    }

    @Test func dataOfAnotherLengthAreForgotten() throws {
        try withStore { store in
            let path = PartialBlob.path(store, etag: Self.etag, size: 1000)
            try PartialBlob(store, etag: Self.etag, size: 1000).note(0..<1000)
            #expect(truncate(path, 999) == 0)
            #expect(try PartialBlob(store, etag: Self.etag, size: 1000).present.count == 0)
            try PartialBlob(store, etag: Self.etag, size: 1000).note(0..<1000)
            try Files.remove(path)
            #expect(try PartialBlob(store, etag: Self.etag, size: 1000).present.count == 0)
        }
    }

    @Test func onlyWhatIsOfNoUseIsRemoved() throws {
        try withStore { store in
            var kept: PartialBlob! = try PartialBlob(store, etag: Self.etag, size: 1000)
            let paths = [kept.path, kept.logPath]
            kept = nil
            let name = "0123456789abcdef0123456789abcdef-3-2000"
            #expect(link(try PartialBlob(store, etag: Self.etag, size: 2000).path, store.blobs.path(ofName: name)) == 0)
            try Files.remove(PartialBlob(store, etag: Self.etag, size: 3000).path)
            try Files.remove(PartialBlob(store, etag: Self.etag, size: 4000).logPath)
            let owned = try PartialBlob(store, etag: Self.etag, size: 5000)
            try Files.remove(owned.logPath)
            try PartialBlob.removeFinished(in: store.temporaryPath)
            #expect(
                try Files.names(in: store.temporaryPath).map { "\(store.temporaryPath)/\($0)" } == paths + [owned.path])
        }
    }

    @Test func aContentHasOneOwnerAtATime() throws {
        try withStore { store in
            var first: PartialBlob! = try PartialBlob(store, etag: Self.etag, size: 1000)
            let error = #expect(throws: IcecoreError.self) { try PartialBlob(store, etag: Self.etag, size: 1000) }
            #expect(error?.code == .busy)
            _ = try PartialBlob(privateAt: "\(store.temporaryPath)/1", size: 1000)
            #expect(!Files.exists("\(store.temporaryPath)/1"))
            // It has got its name: whoever comes next begins anew, and does not write to the blob.
            try write(first, 7, 0..<1000)
            let blob = store.blobs.path(ofName: "0123456789abcdef0123456789abcdef-3-1000")
            try first.seal(below: store.blobs.path)
            try Files.rename(first.path, blob)
            first = nil
            let second = try PartialBlob(store, etag: Self.etag, size: 1000)
            #expect(second.present.count == 0)
            try write(second, 8, 0..<1000)
            #expect(try Files.read(blob, limit: 2000) == [UInt8](repeating: 7, count: 1000))
        }
    }

    @Test func linksAreNotFollowed() throws {
        try withStore { store in
            let path = PartialBlob.path(store, etag: Self.etag, size: 1000)
            let victim = "\(store.path)/victim"
            try Files.replace(victim, with: [1, 2, 3])
            for end in ["", ".log"] {
                #expect(symlink(victim, path + end) == 0)
                // Refused, or replaced.
                try? PartialBlob(store, etag: Self.etag, size: 1000).startOver()
                #expect(try Files.read(victim, limit: 10) == [1, 2, 3])
                for end in ["", ".log"] { try Files.remove(path + end) }
            }
        }
    }

    @Test func aNameFromOutsideStaysInside() throws {
        try withStore { store in
            let etag = ETag(Array("../../../../tmp/evil\u{0}".utf8))
            let partial = try PartialBlob(store, etag: etag, size: 10)
            #expect(Files.directory(of: partial.path) == store.temporaryPath)
        }
    }
}
