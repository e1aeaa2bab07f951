import Basics
import Glibc
import Testbed
import Testing

@Suite struct FileStampTests {
    /// A file that was last changed long enough ago.
    private static func withOldFile(_ body: (_ path: String, _ stamp: FileStamp) throws -> Void) throws {
        try TemporaryDirectory.use { directory in
            let path = "\(directory)/file"
            try Files.replace(path, with: bytes("first"))
            usleep(2_300_000)
            try body(path, try FileStamp(path))
        }
    }

    @Test func aFileThatNobodyTouchesIsWhatItWas() throws {
        try Self.withOldFile { path, stamp in
            #expect(try stamp.holds(in: FileStamp(path)))
            let second = "\(path)-2"
            #expect(link(path, second) == 0)
            #expect(try !stamp.holds(in: FileStamp(path)), "a second name is a change of the file")
            #expect(try stamp.holds(inLinkOf: FileStamp(second)))
        }
    }

    @Test func aFileThatIsWrittenInPlaceIsNotEvenWithItsTimeSetBack() throws {
        try Self.withOldFile { path, stamp in
            var status = stat()
            #expect(stat(path, &status) == 0)
            let file = try File(path, O_WRONLY)
            try bytes("other").withUnsafeBytes { try file.write($0) }
            #expect(futimens(file.descriptor, [status.st_atim, status.st_mtim]) == 0)
            #expect(try !stamp.holds(in: FileStamp(path)))
        }
    }

    @Test func aFileThatIsReplacedIsNot() throws {
        try Self.withOldFile { path, stamp in
            try Files.replace(path, with: bytes("first"))
            #expect(try !stamp.holds(in: FileStamp(path)))
            #expect(try !stamp.holds(inLinkOf: FileStamp(path)))
        }
    }

    @Test func ofAFileThatHasJustChangedNothingIsCertain() throws {
        try TemporaryDirectory.use { directory in
            let path = "\(directory)/file"
            try Files.replace(path, with: bytes("first"))
            let stamp = try FileStamp(path)
            #expect(try !stamp.holds(in: FileStamp(path)))
            #expect(throws: IcecoreError.self) { try FileStamp("\(path)-2") }
        }
    }
}
