import Basics
import CFuse3
import Foundation
import Testbed
import Testing

/// Headers, metadata and tags of every version, on servers that have them.
@Suite struct HeaderTests {
    static let servers = ["moto", "rgw"]

    static func server(_ name: String) throws -> S3Server {
        name == "moto" ? try MotoServer.shared() : try RGWServer.shared()
    }

    private static func item(_ key: String, _ content: String, _ number: Int = 0) -> S3Admin.NewObject {
        var item = S3Admin.NewObject(key: key, content: bytes(content))
        item.contentType = "text/x-\(number)"
        item.metadata = ["colour": "blue \(number)", "mtime": "17000000\(number).5"]
        item.headers = ["cacheControl": "max-age=\(number)", "contentDisposition": "attachment; filename=\"a b.txt\""]
        return item
    }

    /// A store of a bucket with odd objects, not synced yet.
    private func use(
        _ name: String, _ body: (Scenario, S3Admin, _ bucket: String, _ inventory: () throws -> Void) throws -> Void
    ) throws {
        let server = try Self.server(name)
        let admin = try S3Admin(server)
        let bucket = "headers-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try Scenario.use(server) { scenario in
            let folder = "\(scenario.directory)/inventories"
            try Files.createDirectory(folder)
            try scenario.initialize(bucket, inventory: "file://\(folder)")
            var day = 1
            try body(scenario, admin, bucket) {
                var options = S3Admin.InventoryOptions()
                options.name = "2036-03-0\(day)T01-00Z"
                day += 1
                try admin.makeInventory(of: bucket, in: folder, options)
            }
        }
    }

    private func versions(_ scenario: Scenario, _ key: String) throws -> [[String: Any]] {
        try scenario.succeed("versions", "--json", key).records
    }

    @Test(arguments: servers)
    func everyVersionHasItsOwnHeadersAndTags(name: String) throws {
        try use(name) { scenario, admin, bucket, makeInventory in
            try admin.put(bucket, Self.item("shared/one", "the same content", 1))
            try admin.put(bucket, Self.item("shared/two", "the same content", 2))
            try admin.put(bucket, Self.item("empty", "", 3))
            try admin.put(bucket, "plain", bytes("plain"))
            var tagged = Self.item("tagged", "tagged", 4)
            tagged.tags = ["species": "acropora cf. millepora", "a/b": "x=+:@"]
            try admin.put(bucket, tagged)
            try makeInventory()
            let run = try scenario.succeed("sync")
            #expect(run.text.contains("headers of"), "\(run)")
            for (key, number) in [("shared/one", 1), ("shared/two", 2), ("empty", 3), ("tagged", 4)] {
                let headers = try versions(scenario, key).first?["headers"] as? [String: String]
                #expect(headers?["content-type"] == "text/x-\(number)", "\(key): \(headers ?? [:])")
                #expect(headers?["x-amz-meta-colour"] == "blue \(number)")
                #expect(headers?["cache-control"] == "max-age=\(number)")
                #expect(headers?["content-disposition"] == "attachment; filename=\"a b.txt\"")
            }
            let plain = try versions(scenario, "plain").first
            #expect(plain?["tags"] as? [String: String] == [:])
            let tags = try versions(scenario, "tagged").first?["tags"] as? [String: String]
            #expect(tags == ["species": "acropora cf. millepora", "a/b": "x=+:@"])
            // What is known is not asked for again.
            let again = try scenario.succeed("sync", "--json")
            #expect(try again.record["headersAsked"] as? Int == 0, "\(again)")
            #expect(try scenario.succeed("verify").status == 0)
        }
    }

    @Test(arguments: servers)
    func anInterruptedOrNarrowerSyncIsCompletedByTheNextOne(name: String) throws {
        try use(name) { scenario, admin, bucket, makeInventory in
            try admin.put(bucket, Self.item("one", "the same content", 1))
            try admin.put(bucket, Self.item("two", "the same content", 2))
            try makeInventory()
            try scenario.succeed("sync", "--headers", "none")
            #expect(try versions(scenario, "one").first?["headers"] is NSNull)
            try scenario.succeed("sync", "--headers", "fetched")
            #expect(try versions(scenario, "one").first?["headers"] is NSNull, "nothing was fetched")
            let run = try scenario.succeed("sync", "--json")
            #expect(try run.record["headersAsked"] as? Int == 2, "\(run)")
            for (key, number) in [("one", 1), ("two", 2)] {
                let headers = try versions(scenario, key).first?["headers"] as? [String: String]
                #expect(headers?["content-type"] == "text/x-\(number)")
            }
            try scenario.succeed("verify")
        }
    }

    @Test func headersSurviveReplacementPrunesAndReindex() throws {
        try use("rgw") { scenario, admin, bucket, makeInventory in
            for number in 1...3 {
                try admin.put(bucket, Self.item("a/key", "content \(number)", number))
                try makeInventory()
                try scenario.succeed("sync")
            }
            func types() throws -> [String] {
                try versions(scenario, "a/key").map {
                    (($0["headers"] as? [String: String]) ?? [:])["content-type"] ?? ""
                }
            }
            // Three in one second have an order only if the snapshots tell it.
            let before = try types()
            #expect(Set(before) == ["text/x-3", "text/x-2", "text/x-1"], "\(before)")
            try scenario.succeed("reindex")
            #expect(try types() == before)
            try scenario.succeed("prune", "--keep-last", "1")
            #expect(try types().contains("text/x-3"))
            try scenario.succeed("verify")
        }
    }

    @Test func aMountShowsThemAsExtendedAttributes() throws {
        try use("rgw") { scenario, admin, bucket, makeInventory in
            var item = Self.item("file", "content", 7)
            item.tags = ["species": "porites"]
            try admin.put(bucket, item)
            try admin.put(bucket, "plain", bytes("x"))
            try makeInventory()
            try scenario.succeed("sync")
            let mount = try scenario.mount()
            do {
                func attribute(_ file: String, _ name: String) -> String? {
                    var buffer = [UInt8](repeating: 0, count: 1000)
                    let count = getxattr("\(mount)/\(file)", name, &buffer, buffer.count)
                    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
                }
                #expect(attribute("file", "user.mime_type") == "text/x-7")
                #expect(attribute("file", "user.icecore.meta.colour") == "blue 7")
                #expect(attribute("file", "user.icecore.tag.species") == "porites")
                #expect(attribute("plain", "user.icecore.meta.colour") == nil)
            }
        }
    }
}
