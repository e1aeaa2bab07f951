import Basics
import Glibc
import Testing

/// Paths are bytes, whatever their characters look like.
@Suite struct PathTests {
    @Test func aNameThatBeginsWithAnAccentIsOneOfItsDirectory() throws {
        let name = "\u{301}accent"
        #expect(Files.directory(of: "/srv/\(name)") == "/srv")
        #expect(Files.directory(of: "/\(name)") == "/")
        #expect(Files.absolute("/\(name)/a").utf8.elementsEqual("/\(name)/a".utf8))
        let base = "/tmp/icecore-paths-\(getpid())"
        defer { try? Files.removeAll(base) }
        try Files.createDirectories("\(base)/\(name)/\u{308}inside/a")
        #expect(Files.exists("\(base)/\(name)/\u{308}inside/a"))
        #expect(Files.resolved("\(base)/\(name)/not there/either").hasSuffix("not there/either"))
    }

    @Test func whatMayNotBeLookedAtIsNotTakenForMissing() throws {
        #expect(try !Files.isThere("/tmp/not/there"))
        #expect(try Files.isThere("/tmp"))
        #expect(throws: IcecoreError.self) { try Files.isThere("/tmp/" + String(repeating: "n", count: 300)) }
    }

    @Test func aBeginningIsReadAndNoMore() throws {
        let path = "/tmp/icecore-beginning-\(getpid())"
        defer { unlink(path) }
        try Files.replace(path, with: (0..<200_000).map { UInt8(truncatingIfNeeded: $0) })
        #expect(try Files.beginning(path, limit: 3) == [0, 1, 2])
        #expect(try Files.beginning(path, limit: 70_000).count == 70_000)
        #expect(try Files.read(path, limit: 200_000).count == 200_000)
        #expect(throws: IcecoreError.self) { try Files.read(path, limit: 199_999) }
        #expect(throws: IcecoreError.self) { try Files.beginning("/tmp", limit: 3) }
    }

    @Test func whatThisMachinesDiskCanDoIsFoundOut() throws {
        let directory = "/tmp/icecore-abilities-\(getpid())"
        try Files.createDirectory(directory)
        defer { try? Files.removeAll(directory) }
        let abilities = FileSystemAbilities(in: directory)
        #expect(abilities.refusal(directory) == nil)
        #expect(try Files.names(in: directory).isEmpty, "nothing is left behind")
        #expect(FileSystemAbilities(in: "/not/there").lacking.isEmpty, "what cannot be found out is not claimed")
    }
}
