import Basics
import Foundation
import Testbed
import Testing

@testable import ReferenceModel

/// Good contents that a difference of no meaning must not make bad: how an ETag is spelled, how a body is encoded on its
/// way, how nothing was uploaded.
@Suite struct ETagSpellingTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let content = bytes("the content")
    private static let md5 = Hex.encode(MD5.digest(content))

    /// As the inventory spells it, and as the server does.
    private static let spellings = [
        (md5, "W/\"\(md5)\""), (md5, "\"\(md5.uppercased())\""), (md5, md5), (md5.uppercased(), "\"\(md5)\""),
        (md5.uppercased(), "\"\(md5.uppercased())\""), ("\"\"\(md5)\"\"", "\"\(md5)\""), ("W/\(md5)", "W/\"\(md5)\""),
        ("W/\"\"\(md5)\"\"", "W/\"\(md5)\""), ("W/\"\"\(md5)\"\"", "\"\(md5)\""), ("odd", "\"odd\""),
        ("odd-1", "W/\"odd-1\""),
    ]

    /// In a bucket without versions, an ETag is all that tells an object from the one that has replaced it.
    @Test(arguments: spellings) func oneETagInTwoSpellingsIsOneETag(listed: String, served: String) throws {
        try Scenario.withBucket { scenario in
            let row = Row("key", Self.content).with { $0.etag = listed }
            try scenario.folder.write(Self.name, [row], columns: InventoryFolder.columnsWithoutVersions)
            try scenario.server.can(
                "/\(Scenario.bucket)/key",
                .init(headers: [("ETag", served)], body: String(decoding: Self.content, as: UTF8.self)))
            let run = try scenario.succeed("sync")
            #expect(try scenario.failures().isEmpty, "\(run)")
            #expect(try scenario.succeed("cat", "key").stdout == Self.content)
            // A condition that the server could not understand is not made.
            let condition = try #require(try scenario.server.log().last).header("If-Match")
            #expect(condition == nil || condition == "\"\(listed.replacing("\"", with: ""))\"")
            try scenario.succeed("verify")
        }
    }

    @Test(arguments: [md5.uppercased(), "W/\"\"\(md5)\"\"", md5]) func anotherObjectIsStillAnotherOne(listed: String)
        throws
    {
        try Scenario.withBucket { scenario in
            let row = Row("key", Self.content).with { $0.etag = listed }
            try scenario.folder.write(Self.name, [row], columns: InventoryFolder.columnsWithoutVersions)
            let other = Hex.encode(MD5.digest(bytes("another one")))
            try scenario.server.can(
                "/\(Scenario.bucket)/key", .init(headers: [("ETag", "\"\(other)\"")], body: "another one"))
            let run = try scenario.succeed("sync")
            #expect(run.stderr.contains("replaced"), "\(run)")
            #expect(try scenario.failures().first?["gone"] as? Bool == true)
            #expect(try scenario.blobs.isEmpty)
        }
    }

    @Test func anUploadOfNothingInOnePartIsSound() throws {
        try Scenario.withBucket { scenario in
            let etag = "\(Hex.encode(MD5.digest(MD5.digest([]))))-1"
            try scenario.add(Self.name, [Row("empty", []).with { $0.etag = etag }])
            try scenario.succeed("sync")
            #expect(try scenario.blobs == ["\(etag.prefix(2))/\(etag)-0"])
            #expect(try scenario.succeed("cat", "empty").stdout.isEmpty)
            try scenario.succeed("verify")
        }
    }

    /// There is only one content of zero bytes, whatever its ETag.
    @Test(arguments: ["0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef-2", "odd"])
    func nothingIsNeverWrong(etag: String) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Row("empty", []).with { $0.etag = etag }])
            try scenario.succeed("sync", "--headers", "fetched")
            #expect(try scenario.succeed("cat", "empty").stdout.isEmpty)
            #expect(try scenario.requests().isEmpty)
            try scenario.succeed("verify")
            try scenario.succeed("sync")
            #expect(try scenario.blobs.count == 1)
        }
    }

    /// nginx with `gunzip on` stands for what unpacks contents for clients that do not say that they know gzip: CDNs, and
    /// Google's storage.
    @Test(arguments: [300, 20_000, 2_000_000]) func whatAProxyWouldUnpackArrivesAsItIsStored(count: Int) throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = "packed-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        let packed = try gzip(RealBucket.content(seed: 8, count: count))
        let random = (0..<count).map { _ in UInt8.random(in: 0...255) }
        try admin.put(bucket, .init(key: "packed", content: packed, contentEncoding: "gzip"))
        try admin.put(bucket, .init(key: "random", content: try gzip(random), contentEncoding: "gzip"))
        try admin.put(bucket, .init(key: "mislabelled", content: random, contentType: "text/plain"))
        let proxy = try UnpackingProxy(to: server)
        try Scenario.use(proxy) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            let plain = try scenario.shell("curl -s \(proxy.endpoint)/\(bucket)/ -o /dev/null -w '%{http_code}'")
            #expect(plain.text == "403", "it passes on what it is asked")
            for words in [["--metadata-only"], []] {
                let run = try scenario.run(["sync", "--store", scenario.store] + words)
                #expect(run.status == 0, "\(run)")
                guard !words.isEmpty else { continue }
                let point = try scenario.mount()
                #expect(try Files.read("\(point)/packed", limit: 1 << 24).isSame(as: packed))
                scenario.unmount(point)
            }
            #expect(try scenario.succeed("cat", "packed").stdout.isSame(as: packed))
            #expect(try scenario.succeed("cat", "mislabelled").stdout.isSame(as: random))
            try scenario.succeed("verify")
        }
    }
}
