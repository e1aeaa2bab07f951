import Basics
import Foundation
import Glibc
import Testing
@testable import Filesystem

@Suite("A mount with its history", .serialized)
struct HistoryTests {
    private func builder(_ scratch: Scratch) throws -> IndexBuilder {
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.snapshot("2024-04-02T01-00Z")
        try builder.add("a", "one", at: "2024-02-01T00:00:00Z", until: "2024-03-10T00:00:00Z", id: "1", seen: 0..<1)
        try builder.add("a", nil, at: "2024-03-10T00:00:00Z", id: "2", seen: 1..<Int32.max)
        try builder.add("a/b", "below", at: "2024-03-10T00:00:00Z", id: "3", seen: 1..<Int32.max)
        try builder.add("a/2024-02-01T00:00:00Z_1", "looks alike", at: "2024-02-01T00:00:00Z", id: "4")
        try builder.add("a/", "", at: "2024-02-01T00:00:00Z", id: "5")
        try builder.add("tie", "x", at: "2024-02-01T00:00:00Z", until: "2024-02-01T00:00:00Z", seen: nil)
        try builder.add("tie", "y", at: "2024-02-01T00:00:00Z")
        try builder.add("unknown", "u", at: "2024-02-01T00:00:00Z", id: nil)
        try builder.add("slash", "s", at: "2024-02-01T00:00:00Z", id: "s/t")
        try builder.add("2024-02-01T00:00:00Z_", "top", at: "2024-02-01T00:00:00Z")
        try builder.commit()
        return builder
    }

    @Test("latest, at, versions and an explanation")
    func layout() throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try builder(scratch).store, .history)
        #expect(try Seen.names(mount) == ["README.txt", "at", "latest", "versions"])
        #expect(try Seen.content(mount + "/README.txt").contains("user.icecore"))
        #expect(try Seen.names(mount + "/at") == ["2024-03-02T01-00Z", "2024-04-02T01-00Z"])
        #expect(try Seen.names(mount + "/latest/a") == ["2024-02-01T00:00:00Z_1", "b"])
        #expect(!Seen.exists(mount + "/nothing"))
    }

    @Test(
        "Any WHEN opens below at/",
        arguments: [
            ("2024-03-02T01-00Z", "one"), ("2024-03-02", "one"), ("2024-03-05", "one"), ("2024-03-05T12:00:00Z", "one"),
            ("2024-04-02", nil), ("latest", nil), ("2024-03-11", nil),
        ])
    func whens(_ when: String, _ content: String?) throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try builder(scratch).store, .history)
        // Where both are there, the directory `a` hides the object in itself.
        let path = "\(mount)/at/\(when)/a/.icecore-object"
        if let content { #expect(try Seen.content(path) == content) } else { #expect(!Seen.exists(path)) }
        #expect(try Seen.content("\(mount)/at/\(when)/tie") == "y")
        #expect(Seen.attribute("\(mount)/at/\(when)/a", "key") == "a/")
    }

    @Test(
        "What is no WHEN, or out of range, is not there below at/",
        arguments: ["x", "2023-01-01", "2030-01-01", "-1d", "0x"])
    func badWhens(_ when: String) throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try builder(scratch).store, .history)
        #expect(!Seen.exists("\(mount)/at/\(when)"))
        #expect(errno == ENOENT)
    }

    @Test("versions/ has a file for every version")
    func versions() throws {
        let scratch = try Scratch()
        let mount = try scratch.mount(try builder(scratch).store, .history)
        let digests = ["x", "y"].map { Hex.encode(MD5.digest(Array($0.utf8))) }
        let long = Hex.encode(SHA256.digest(Array("2024-02-01T00:00:00Z_s/t".utf8)))
        let expected = [
            "/.icecore-esc-2024-02-01T00:00:00Z_/", "/.icecore-esc-2024-02-01T00:00:00Z_/2024-02-01T00:00:00Z_null",
            "/a/", "/a/.icecore-empty/", "/a/.icecore-empty/2024-02-01T00:00:00Z_5",
            "/a/.icecore-esc-2024-02-01T00:00:00Z_1/", "/a/.icecore-esc-2024-02-01T00:00:00Z_1/2024-02-01T00:00:00Z_4",
            "/a/2024-02-01T00:00:00Z_1", "/a/2024-03-10T00:00:00Z_2", "/a/b/", "/a/b/2024-03-10T00:00:00Z_3",
            "/slash/", "/slash/.icecore-long-\(long)", "/tie/", "/tie/2024-02-01T00:00:00Z_null_\(digests[0])",
            "/tie/2024-02-01T00:00:00Z_null_\(digests[1])", "/unknown/", "/unknown/2024-02-01T00:00:00Z_",
        ]
        let found = try Seen.tree(mount + "/versions")
        #expect(Set(found) == Set(expected) && found.count == expected.count)
        let versions = mount + "/versions"
        #expect(try Seen.content(versions + "/a/2024-02-01T00:00:00Z_1") == "one")
        #expect(try Seen.content(versions + "/tie/2024-02-01T00:00:00Z_null_\(digests[0])") == "x")
        #expect(try Seen.content(versions + "/unknown/2024-02-01T00:00:00Z_") == "u")
        let marker = try Seen.status(versions + "/a/2024-03-10T00:00:00Z_2")
        #expect(marker.st_mode == S_IFREG && marker.st_size == 0)
        #expect(Seen.attribute(versions + "/a/2024-02-01T00:00:00Z_1", "versionId") == "1")
        #expect(Seen.attribute(versions + "/a/2024-02-01T00:00:00Z_1", "snapshot") == "2024-03-02T01-00Z")
        #expect(Seen.attribute(versions + "/a/2024-03-10T00:00:00Z_2", "etag") == nil)
        #expect(
            try Seen.status(versions + "/tie/2024-02-01T00:00:00Z_null_\(digests[1])").st_ino
                == Seen.status(mount + "/latest/tie").st_ino)
        #expect(!Seen.exists(versions + "/a/2024-02-01T00:00:00Z_9"))
        #expect(!Seen.exists(versions + "/tie/2024-02-01T00:00:00Z_null"))
    }
}
