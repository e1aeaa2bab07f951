import Basics
import CFuse3
import Foundation
import Glibc
import Testing
@testable import Filesystem

/// A directory of 100,000 entries.
@Suite(.serialized) struct LargeDirectoryTests {
    @Test func aLargeDirectoryIsListedWholeFromAnyPosition() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        for number in 0..<100_000 {
            try builder.add(
                "big/entry-\(number)\(number % 10 == 0 ? "/x" : "")", "", at: "2024-02-01T00:00:00Z", hasBlob: false)
        }
        try builder.commit()
        let mount = try scratch.mount(builder.store)
        let path = mount + "/big"

        // Two at once, while nothing is known to the kernel.
        let group = DispatchGroup()
        let wrong = Flag()
        for _ in 0..<2 {
            DispatchQueue.global().async(group: group) {
                if (try? Set(Seen.rawNames(path)).count) != 100_000 { wrong.set() }
            }
        }
        group.wait()
        #expect(!wrong.isSet)

        let directory = try #require(opendir(path))
        defer { closedir(directory) }
        var names: [String] = []
        var positions: [Int] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
            positions.append(telldir(directory))
        }
        #expect(names.count == 100_002)
        for place in [99_000, 5, 50_000, 1, 77_777] {
            seekdir(directory, positions[place])
            let entry = try #require(readdir(directory))
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            #expect(name == names[place + 1])
        }
        seekdir(directory, try #require(positions.last))
        #expect(readdir(directory) == nil)
        rewinddir(directory)
        var count = 0
        while readdir(directory) != nil { count += 1 }
        #expect(count == 100_002)
    }

    @Test func aCallerWithTinyBuffersGetsEveryEntryOnce() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        for number in 0..<20_000 { try builder.add("e\(number)", "", at: "2024-02-01T00:00:00Z", hasBlob: false) }
        try builder.commit()
        let mount = try scratch.mount(builder.store)
        let directory = try File(mount, O_RDONLY | O_DIRECTORY)
        var buffer = [UInt8](repeating: 0, count: 300)
        var count = 0
        while true {
            let filled = icecore_getdents(directory.descriptor, &buffer, UInt(buffer.count))
            #expect(filled >= 0)
            if filled <= 0 { break }
            var place = 0
            while place < filled {
                count += 1
                place += Int(buffer[place + 16]) | Int(buffer[place + 17]) << 8
            }
        }
        #expect(count == 20_002)
    }
}
