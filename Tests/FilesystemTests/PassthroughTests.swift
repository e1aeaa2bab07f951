import Basics
import Foundation
import Glibc
import Model
import Store
import Testing
@testable import Filesystem

/// As root, on a kernel from 6.9 on; elsewhere the same files are read through the daemon, with the same results.
@Suite("Kernel passthrough")
struct PassthroughTests {
    private static let large = String(repeating: "0123456789abcdef", count: 1 << 17)
    private static let time = "2024-02-01T00:00:00Z"

    /// Whether it can be expected here.
    private static var isPossible: Bool {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split(separator: ".").prefix(2).compactMap { Int($0) }
        return geteuid() == 0 && numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 9)
    }

    private func store(_ scratch: Scratch, small: Int = 0) throws -> Store {
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("large", PassthroughTests.large, at: PassthroughTests.time)
        try builder.add("copy/large", PassthroughTests.large, at: PassthroughTests.time)
        try builder.add("short", PassthroughTests.large + "more", at: PassthroughTests.time)
        try builder.add("absent", PassthroughTests.large + "else", at: PassthroughTests.time, hasBlob: false)
        for number in 0..<small { try builder.add("small/\(number)", "content \(number)", at: PassthroughTests.time) }
        try builder.commit()
        return builder.store
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<6000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }

    @Test("A large file has its content, however it is read, and the kernel reads it where it can")
    func reading() throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try store(scratch))
        let passthrough = try #require(scratch.sessions.last).files.passthrough
        let expected = PassthroughTests.isPossible ? 1 : 0
        let descriptors = (0..<3).map { _ in Glibc.open("\(mount)/large", O_RDONLY | O_CLOEXEC) }
        #expect(descriptors.allSatisfy { $0 >= 0 })
        #expect(passthrough.passed == expected)
        #expect(try Seen.content("\(mount)/large") == PassthroughTests.large)
        #expect(try Seen.content("\(mount)/copy/large") == PassthroughTests.large)
        let mapping = try #require(mmap(nil, 1 << 21, PROT_READ, MAP_SHARED, descriptors[0], 0))
        let text = Array(PassthroughTests.large.utf8)
        #expect(mapping != MAP_FAILED && memcmp(mapping, text, text.count) == 0)
        munmap(mapping, 1 << 21)
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(pread(descriptors[1], &bytes, 16, (1 << 21) - 8) == 8)
        #expect(try Seen.status("\(mount)/large").st_size == 1 << 21)
        for descriptor in descriptors { close(descriptor) }
        #expect(eventually { passthrough.passed == 0 })
    }

    @Test("A blob that is short or absent is EIO, never less than the file's size")
    func damaged() throws {
        let scratch = try Scratch()
        let store = try store(scratch)
        let content = Array((PassthroughTests.large + "more").utf8)
        let name = try #require(
            BlobName.file(etag: ETag(Hex.encode(MD5.digest(content)).utf8), size: Int64(content.count)))
        #expect(truncate(store.blobs.path(ofName: name), 1 << 20) == 0)
        let mount = try scratch.mount(store)
        #expect(Seen.readError("\(mount)/short") == EIO)
        #expect(Seen.readError("\(mount)/absent") == EIO)
        #expect(scratch.log.contains("too short") && scratch.log.contains("the content of \"absent\""))
    }

    @Test("Turned off, nothing is passed through")
    func turnedOff() throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try store(scratch), passthrough: false)
        let descriptor = Glibc.open("\(mount)/large", O_RDONLY | O_CLOEXEC)
        #expect(try #require(scratch.sessions.last).files.passthrough.passed == 0)
        #expect(try Seen.content("\(mount)/large") == PassthroughTests.large)
        close(descriptor)
    }

    @Test("Many small files end it, but not while a file is passed through")
    func ending() throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try store(scratch, small: 600))
        let passthrough = try #require(scratch.sessions.last).files.passthrough
        func readSmall() throws {
            for number in 0..<600 { #expect(try Seen.content("\(mount)/small/\(number)") == "content \(number)") }
        }
        let descriptor = Glibc.open("\(mount)/large", O_RDONLY | O_CLOEXEC)
        try readSmall()
        #expect(!passthrough.isOver || !PassthroughTests.isPossible)
        #expect(try Seen.content("\(mount)/large") == PassthroughTests.large)
        close(descriptor)
        #expect(eventually { passthrough.passed == 0 })
        try readSmall()
        #expect(passthrough.isOver == PassthroughTests.isPossible)
        // Handles from before and after it was over, at once.
        #expect(try Seen.content("\(mount)/large") == PassthroughTests.large)
        #expect(try Seen.content("\(mount)/copy/large") == PassthroughTests.large)
        #expect(passthrough.passed == 0)
    }
}
