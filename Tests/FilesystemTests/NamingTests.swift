import Basics
import ReferenceModel
import Testing

@testable import Model

@Suite("Names in a mount")
struct NamingTests {
    @Test(
        "Components and their names",
        arguments: [
            ("plain.txt", "plain.txt"), ("", ".icecore-empty"), (".", ".icecore-dot"), ("..", ".icecore-dotdot"),
            ("...", "..."), (".hidden", ".hidden"), (".icecore-", ".icecore-esc-"), (".icecore", ".icecore"),
            (".icecore-empty", ".icecore-esc-empty"), (".icecore-esc-empty", ".icecore-esc-esc-empty"),
            (".icecore-object", ".icecore-esc-object"), ("new\nline", "new\nline"),
            ("2024-03-01T01:00:00Z_x", "2024-03-01T01:00:00Z_x"),
        ])
    func table(_ component: String, _ name: String) {
        #expect(Naming.fileName(Array(component.utf8)) == Array(name.utf8))
        #expect(Naming.meaning(Array(name.utf8)) == .component(Array(component.utf8)))
    }

    @Test(
        "What no file system can hold is hashed",
        arguments: [
            String(repeating: "l", count: 256), "a\0b", "\0", ".icecore-" + String(repeating: "e", count: 243),
        ])
    func long(_ component: String) {
        let digest = SHA256.digest(Array(component.utf8))
        let name = Naming.fileName(Array(component.utf8))
        #expect(name == Array(".icecore-long-\(Hex.encode(digest))".utf8))
        #expect(Naming.meaning(name) == .long(sha256: digest))
    }

    @Test(
        "Names that no component has mean nothing",
        arguments: [
            "", ".", "..", ".icecore-", ".icecore-other", ".icecore-long-", ".icecore-long-00",
            ".icecore-long-" + String(repeating: "A", count: 64), String(repeating: "x", count: 256),
        ])
    func meaningless(_ name: String) {
        #expect(Naming.meaning(Array(name.utf8)) == nil)
    }

    @Test(
        "Under versions/, what looks like a version is escaped",
        arguments: [
            ("2024-03-01T01:00:00Z_x", ".icecore-esc-2024-03-01T01:00:00Z_x"),
            (".icecore-2024-03-01T01:00:00Z_x", ".icecore-esc-esc-2024-03-01T01:00:00Z_x"),
            (".icecore-esc-2024-03-01T01:00:00Z_x", ".icecore-esc-esc-esc-2024-03-01T01:00:00Z_x"),
            ("2024-03-01T01:00:00Z", "2024-03-01T01:00:00Z"), ("2024-03-01_x", "2024-03-01_x"), ("", ".icecore-empty"),
        ])
    func versions(_ component: String, _ name: String) {
        #expect(Naming.versionsName(Array(component.utf8)) == Array(name.utf8))
        #expect(Naming.versionsMeaning(Array(name.utf8)) == .component(Array(component.utf8)))
    }

    @Test("Random components: injective, reversible, as the reference model says")
    func random() {
        let pieces: [[UInt8]] = [
            ".icecore-", "esc-", "empty", "dot", "object", "long-", ".", "..", "_", "2024-03-01T01:00:00Z", "T", "x",
            "é",
            " ", "\n", "\0", String(repeating: "0", count: 64), String(repeating: "w", count: 120),
        ].map { Array($0.utf8) }
        var generator = SplitMix64(seed: 7)
        var names: [[UInt8]: [UInt8]] = [:]
        var versionsNames: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<50_000 {
            var component: [UInt8] = []
            for _ in 0..<Int.random(in: 0...5, using: &generator) {
                component += pieces.randomElement(using: &generator) ?? []
            }
            let name = Naming.fileName(component)
            #expect(name.count <= 255 && !name.isEmpty && !name.contains(0))
            #expect(names.updateValue(component, forKey: name) ?? component == component)
            check(Naming.meaning(name), component)
            #expect(ByteString(name) == ComponentName.encode(ByteString(component)))
            let versionsName = Naming.versionsName(component)
            #expect(versionsNames.updateValue(component, forKey: versionsName) ?? component == component)
            check(Naming.versionsMeaning(versionsName), component)
            #expect(ByteString(versionsName) == ComponentName.encodeUnderVersions(ByteString(component)))
            // The other way: a name that means something is the name of what it means.
            if !component.contains(0), case .component(let meant) = Naming.meaning(component) {
                #expect(Naming.fileName(meant) == component)
            }
        }
    }

    private func check(_ meaning: Naming.Meaning?, _ component: [UInt8]) {
        if case .long(let digest) = meaning {
            #expect(digest == SHA256.digest(component))
        } else {
            #expect(meaning == .component(component))
        }
    }

    @Test("Versions of one second have names of their own")
    func ties() {
        let time = Timestamp(milliseconds: 1_709_254_800_000)
        let null = Array("null".utf8)
        let names = Naming.names(of: [
            .init(lastModified: time, versionId: null, etag: [97]),
            .init(lastModified: time, versionId: null, etag: [98]),
            .init(lastModified: time, versionId: null, etag: nil),
            .init(lastModified: time, versionId: nil, etag: [97]),
            .init(lastModified: time, versionId: Array("a/b".utf8), etag: [97]),
        ]).map { String(decoding: $0, as: UTF8.self) }
        #expect(
            names.prefix(4) == [
                "2024-03-01T01:00:00Z_null_a", "2024-03-01T01:00:00Z_null_b", "2024-03-01T01:00:00Z_null_marker",
                "2024-03-01T01:00:00Z_",
            ])
        #expect(names[4].hasPrefix(".icecore-long-"))
    }
}
