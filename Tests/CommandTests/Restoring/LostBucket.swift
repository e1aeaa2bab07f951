import Basics
import Foundation
import Testbed
import Testing

@testable import ReferenceModel

/// A bucket of a real server that was one thing on one day and another on the next, and a store that has both days.
final class LostBucket {
    let server: S3Server
    let admin: S3Admin
    let name: String
    let scenario: Scenario
    /// What the bucket was on the first day.
    private(set) var first: [S3Admin.DescribedObject] = []
    /// Keys that were put on the second day.
    private(set) var new: [String] = []

    static let firstDay = "2024-03-02T01-00Z"
    static let secondDay = "2024-03-03T01-00Z"
    static let oddKeys = [
        "a//b", "a b+c%41", "käse/größe.txt", "漢字/🧊", "trailing/", "trailing with content/", "/leading", "a/./b",
        "quotes \"and\" <markup> & more", String(repeating: "k", count: 1024), "back\\slash", "~tilde_.-",
    ]

    /// Makes the bucket, and syncs its first day.
    init(_ server: S3Server, _ scenario: Scenario, plain: Int = 220) throws {
        self.server = server
        self.scenario = scenario
        admin = try S3Admin(server)
        name = "lost-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(name)
        try admin.put(name, LostBucket.objects(plain, isStrict: server is MotoServer))
        try sync(LostBucket.firstDay, isNew: true)
        first = try admin.describe(name)
    }

    /// Runs a test with such a bucket.
    static func use(_ kind: String, plain: Int = 220, _ body: (LostBucket) throws -> Void) throws {
        let server: S3Server = kind == "RGW" ? try RGWServer.shared() : try MotoServer.shared()
        try Scenario.use(server) { scenario in try body(try LostBucket(server, scenario, plain: plain)) }
    }

    /// Objects of every kind: headers, metadata, tags, multipart ETags of usual and unusual part sizes, odd keys.
    ///
    /// - Parameter isStrict: only tags that AWS would take.
    static func objects(_ plain: Int, isStrict: Bool) -> [S3Admin.NewObject] {
        var objects: [S3Admin.NewObject] = []
        for number in 0..<plain {
            var object = S3Admin.NewObject(key: "plain/\(number % 7)/\(number)", content: bytes("content of \(number)"))
            if number % 3 == 0 { object.contentType = number % 2 == 0 ? "text/plain" : "application/json" }
            if number % 5 == 0 {
                object.metadata = ["number": "\(number)", "number-of": "a  b, c; d", "number2": "2", "empty": ""]
            }
            if number % 11 == 0 {
                object.tags = [
                    "kind": "eleven", "weird +/=:@ name": isStrict ? "at @home + a=b:c/d" : "ümlaut & <more>",
                ]
            }
            objects.append(object)
        }
        for (number, key) in oddKeys.enumerated() {
            objects.append(S3Admin.NewObject(key: key, content: key == "trailing/" ? [] : bytes("odd \(number)")))
        }
        var full = S3Admin.NewObject(
            key: "full", content: bytes("everything"), contentType: "text/html; charset=utf-8",
            contentEncoding: "identity", metadata: ["unicode": "=?UTF-8?B?w6TDtsO8?=", "empty-ish": "-"])
        full.headers = [
            "cacheControl": "max-age=3600, public", "contentDisposition": "attachment; filename=\"a b.txt\"",
            "contentLanguage": "de, en", "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
        ]
        full.tags = ["a": "1", "b": ""]
        objects.append(full)
        var gzip = S3Admin.NewObject(
            key: "packed.txt.gz", content: (try? gzip(bytes("what was packed"))) ?? [],
            contentType: "text/plain", contentEncoding: "gzip")
        gzip.metadata = ["packed": "yes"]
        objects.append(gzip)
        let large = RealBucket.content(seed: 21, count: 11_000_000)
        objects.append(S3Admin.NewObject(key: "parts/usual", content: large, partSize: 5 << 20))
        objects.append(S3Admin.NewObject(key: "parts/unusual", content: large, partSize: 5_555_557))
        objects.append(
            S3Admin.NewObject(key: "parts/uneven", content: large, partSizes: [5_300_000, 5_500_000, 200_000]))
        var single = S3Admin.NewObject(key: "parts/single", content: bytes("one small part"), partSize: 1 << 20)
        single.tags = ["in": "parts"]
        single.contentType = "text/plain"
        objects.append(single)
        objects.append(S3Admin.NewObject(key: "empty", content: []))
        return objects
    }

    private func sync(_ day: String, isNew: Bool = false) throws {
        let directory = "\(scenario.directory)/inventories"
        try Files.createDirectory(directory)
        var options = S3Admin.InventoryOptions()
        options.name = day
        try admin.makeInventory(of: name, in: directory, options)
        if isNew { try scenario.initialize(name, inventory: "file://\(directory)") }
        try scenario.succeed("sync", "--date", day)
    }

    /// The second day: a third is deleted, a third overwritten, some versions are gone for good, new keys are there.
    func change() throws {
        for (number, object) in first.enumerated() {
            switch number % 3 {
            case 0: try admin.delete(name, object.key)
            case 1:
                var newer = S3Admin.NewObject(key: object.key, content: bytes("newer \(number)"))
                if number % 2 == 0 { newer.tags = ["newer": "tag"] }
                newer.metadata = ["newer": "yes"]
                try admin.put(name, newer)
            default: continue
            }
        }
        // Lost: the versions of every ninth, among them deleted and overwritten ones.
        for version in try admin.listVersions(name) where !version.isLatest && !version.deleteMarker {
            if let place = first.firstIndex(where: { $0.key == version.key }), place % 9 < 2 {
                try admin.deleteVersion(name, version.key, version.versionId)
            }
        }
        new = ["aaa/new", "odd & <new>\t+%41", "plain/0/new", "zzz new"]
        for key in new { try admin.put(name, key, bytes("new \(key)")) }
        try sync(LostBucket.secondDay)
    }

    static func comparable(_ objects: [S3Admin.DescribedObject], prefix: String = "") -> [String: S3Admin
        .DescribedObject]
    {
        Dictionary(
            objects.map { object in
                var object = object
                object.key = String(object.key.dropFirst(prefix.count))
                return (object.key, object)
            }
        ) { first, _ in first }
    }

    /// Expects a bucket to be what this one was on the first day.
    func expectFirst(
        in bucket: String, prefix: String = "", besides: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var there = LostBucket.comparable(try admin.describe(bucket, prefix: prefix), prefix: prefix)
        for key in besides {
            #expect(there.removeValue(forKey: key) != nil, "\(key) is gone", sourceLocation: sourceLocation)
        }
        let wanted = LostBucket.comparable(first)
        #expect(Set(there.keys) == Set(wanted.keys), sourceLocation: sourceLocation)
        for (key, object) in wanted {
            guard let found = there[key] else { continue }
            #expect(found.md5 == object.md5, "\(key)", sourceLocation: sourceLocation)
            if !hidesParts(key) { #expect(found.etag == object.etag, "\(key)", sourceLocation: sourceLocation) }
            #expect(found.headers == object.headers, "\(key)", sourceLocation: sourceLocation)
            #expect(found.tags == object.tags, "\(key)", sourceLocation: sourceLocation)
        }
    }

    /// Whether nobody can know in which parts an object was uploaded: this gateway does not tell.
    func hidesParts(_ key: String) -> Bool {
        server is RGWServer && (key == "parts/unusual" || key == "parts/uneven")
    }

    /// Restores the first day.
    func restore(_ url: String, _ words: String..., environment: [String: String] = [:]) throws -> Run {
        try scenario.run(
            ["restore", url, "--at", LostBucket.firstDay, "--store", scenario.store, "--json"] + words,
            environment: environment, seconds: 120)
    }
}
