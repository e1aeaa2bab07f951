import Basics
import Foundation
import Glibc
import Testing

@Suite struct FileStampTests {
    /// A file that was last changed so many seconds ago.
    private static func withFile(
        waiting seconds: Double, _ body: (_ path: String, _ stamp: FileStamp) throws -> Void
    ) throws {
        let directory = "\(NSTemporaryDirectory())/icecore-stamp-\(UUID().uuidString)"
        try Files.createDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = "\(directory)/file"
        try Files.replace(path, with: Array("first".utf8))
        usleep(UInt32(seconds * 1_000_000))
        try body(path, try FileStamp(path))
    }

    @Test func aFileThatNobodyTouchesIsWhatItWas() throws {
        try Self.withFile(waiting: 2.3) { path, stamp in
            let later = try FileStamp(path)
            #expect(stamp.holds(in: later))
            let second = "\(path)-2"
            #expect(link(path, second) == 0)
            let (first, other) = (try FileStamp(path), try FileStamp(second))
            #expect(!stamp.holds(in: first), "a second name is a change of the file")
            #expect(stamp.holds(inLinkOf: other))
        }
    }

    @Test func aFileThatIsWrittenInPlaceIsNotEvenWithItsTimeSetBack() throws {
        try Self.withFile(waiting: 2.3) { path, stamp in
            var status = stat()
            #expect(stat(path, &status) == 0)
            let file = try File(path, O_WRONLY)
            try Array("other".utf8).withUnsafeBytes { try file.write($0) }
            let descriptor = file.descriptor
            #expect(futimens(descriptor, [status.st_atim, status.st_mtim]) == 0)
            let later = try FileStamp(path)
            #expect(!stamp.holds(in: later))
        }
    }

    @Test func aFileThatIsReplacedIsNot() throws {
        try Self.withFile(waiting: 2.3) { path, stamp in
            try Files.replace(path, with: Array("first".utf8))
            let later = try FileStamp(path)
            #expect(!stamp.holds(in: later) && !stamp.holds(inLinkOf: later))
        }
    }

    @Test func ofAFileThatHasJustChangedNothingIsCertain() throws {
        try Self.withFile(waiting: 0) { path, stamp in
            let later = try FileStamp(path)
            #expect(!stamp.holds(in: later))
            #expect(throws: IcecoreError.self) { try FileStamp("\(path)-2") }
        }
    }
}
