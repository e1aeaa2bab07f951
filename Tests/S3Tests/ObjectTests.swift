import Basics
import Foundation
import Testbed
import Testing

@testable import S3

/// Against Ceph's gateway, which verifies what it is sent.
@Suite(.serialized) struct ObjectTests {
    static let oddKeys: [String] = [
        "plain", "with space", "a+b", "%41", "100%", "what?", "a#b", "a&b=c", "it's \"quoted\"", "line\nbreak",
        "tab\there", "🧊/❄️", "ключ", "/leading", "//two", "a//b", "a/./b", "a/../b", "./x", "../x", ".", "..",
        "trailing/", "back\\slash", "semi;colon", "comma,at@", "dollar$", "~tilde", "(par)[br]{c}", "<xml>&amp;",
        "pipe|", "caret^", "tick`", "star*", "\u{7f}del", "%2F", "%25", "a%2Fb", "caf\u{e9}", "cafe\u{301}",
        String(repeating: "n", count: 300), String(repeating: "k/", count: 511) + "ab",
        "versionId=x", "?versions", "a?versionId=null",
    ]

    static func bucket(_ admin: S3Admin, _ name: String, isPublic: Bool = false) throws -> String {
        let bucket = "\(name)-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket, isPublic: isPublic)
        return bucket
    }

    @Test func everyOddKeyCanBeRead() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "odd")
        let stored = try admin.put(bucket, Self.oddKeys.map { .init(key: $0, content: bytes("content of \($0)")) })
        let client = try S3Client(server)
        for (key, version) in zip(Self.oddKeys, stored) {
            let object = try client.get(bucket: bucket, key: bytes(key), limit: 10_000)
            #expect(object.bytes == bytes("content of \(key)"), "\(key)")
            #expect(object.head.versionId == version.versionId)
            #expect(object.head.etag == version.etag)
            let again = try client.get(bucket: bucket, key: bytes(key), versionId: version.versionId, limit: 10_000)
            #expect(again.bytes == object.bytes, "\(key)")
            #expect(try client.head(bucket: bucket, key: bytes(key)).contentLength == Int64(object.bytes.count))
        }
        let listed = try client.listKeys(bucket: bucket, prefix: [])
        #expect(Set(listed.map(\.key)) == Set(Self.oddKeys.map(bytes)))
        #expect(listed.count == Self.oddKeys.count)
        for key in ["a+b", "with space", "%41", "🧊/❄️", "line\nbreak"] {
            #expect(try client.listKeys(bucket: bucket, prefix: bytes(key)).map(\.key) == [bytes(key)])
        }
    }

    @Test func versionsRangesAndConditions() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "versions")
        let first = try admin.put(
            bucket,
            .init(key: "k", content: bytes("first"), contentType: "text/x-test", metadata: ["colour": "blue"]))
        let second = try admin.put(bucket, "k", bytes("second one"))
        _ = try admin.delete(bucket, "k")
        let client = try S3Client(server)
        let key = bytes("k")

        let old = try client.get(bucket: bucket, key: key, versionId: first.versionId, limit: 100)
        #expect(old.bytes == bytes("first"))
        #expect(old.head.contentType == "text/x-test")
        #expect(old.head.hasMetadata)
        #expect(old.head.metadata.map(\.name) == ["colour"])
        #expect(old.head.metadata.map(\.value) == ["blue"])
        #expect(old.head.etag == Hex.encode(MD5.digest(bytes("first"))))
        #expect(!old.head.hasOpaqueETag)

        let part = try client.get(bucket: bucket, key: key, versionId: second.versionId, range: 7..<10, limit: 100)
        #expect(part.bytes == bytes("one"))
        #expect(part.head.status == 206)
        #expect(part.head.contentRange?.range == 7..<10)
        #expect(part.head.contentRange?.total == 10)

        let gone = try failure { _ = try client.get(bucket: bucket, key: key, limit: 100) }
        #expect(gone.isNotFound)
        let outside = try failure {
            _ = try client.get(bucket: bucket, key: key, versionId: second.versionId, range: 10..<20, limit: 100)
        }
        #expect(outside.status == 416)
        try admin.put(bucket, "l", bytes("third"))
        #expect(
            try client.get(bucket: bucket, key: bytes("l"), ifMatch: Hex.encode(MD5.digest(bytes("third"))), limit: 9)
                .bytes == bytes("third"))
        let changed = try failure {
            _ = try client.get(bucket: bucket, key: bytes("l"), ifMatch: "0123", limit: 100)
        }
        #expect(changed.status == 412)
        #expect(changed.attempts == 1)
        let tooLarge = try icecoreError { _ = try client.get(bucket: bucket, key: bytes("l"), limit: 2) }
        #expect(tooLarge.code == .invalidData)
    }

    @Test func smallObjectsCanBePut() throws {
        let server = try RGWServer.shared()
        let bucket = try Self.bucket(S3Admin(server), "put")
        let client = try S3Client(server)
        var request = S3Request(.put, bucket: bucket, key: bytes("new object"))
        request.payload = bytes("hello")
        #expect(try client.send(request).head.status == 200)
        #expect(try client.get(bucket: bucket, key: bytes("new object"), limit: 100).bytes == bytes("hello"))
        request.payload = []
        _ = try client.send(request)
        #expect(try client.get(bucket: bucket, key: bytes("new object"), limit: 100).bytes == [])
        #expect(try client.send(S3Request(.delete, bucket: bucket, key: bytes("new object"))).head.status == 204)
    }

    @Test func filesAreDownloadedAndChecked() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "files")
        let contents = (0..<5).map { index in (0..<200_000 * index).map { UInt8(truncatingIfNeeded: $0 &* 7 + index) } }
        try admin.put(bucket, contents.enumerated().map { .init(key: "f\($0)", content: $1) })
        let client = try S3Client(server)
        try Testbed.withDirectory { directory in
            var done: [Int: S3DownloadedFile] = [:]
            let downloads = contents.indices.map { index in
                S3Download(
                    bucket: bucket, key: bytes("f\(index)"), path: "\(directory)/\(index)",
                    md5: MD5.digest(contents[index]), size: Int64(contents[index].count))
            }
            try client.download(downloads) { done[$0] = $1 }
            for (index, content) in contents.enumerated() {
                #expect(try Files.read("\(directory)/\(index)", limit: 1 << 20) == content)
                #expect(done[index]?.md5 == MD5.digest(content))
                #expect(done[index]?.size == Int64(content.count))
            }
            let missing = try failure {
                try client.download(S3Download(bucket: bucket, key: bytes("none"), path: "\(directory)/none"))
            }
            #expect(missing.code == "NoSuchKey")
            #expect(!Files.exists("\(directory)/none"))
        }
    }

    @Test func wrongSecretIsRefusedOnceAndNotRepeated() throws {
        let server = try RGWServer.shared()
        let secret = "verysecret/0123456789"
        let client = try S3Client(server, ["AWS_SECRET_ACCESS_KEY": secret])
        let refused = try failure { _ = try client.get(bucket: "anything", key: bytes("k"), limit: 10) }
        #expect(refused.status == 403)
        #expect(refused.code == "SignatureDoesNotMatch")
        #expect(refused.attempts == 1)
        #expect(!"\(refused) \(refused.asError)".contains(secret))
    }

    @Test func aBucketThatIsNotThereIsSaid() throws {
        let client = try S3Client(RGWServer.shared())
        let missing = try failure { _ = try client.listPrefixes(bucket: "no-such-bucket", prefix: []) }
        #expect(missing.code == "NoSuchBucket")
        #expect(missing.asError.code == .notFound)
        let malformed = try failure { _ = try client.get(bucket: "../x", key: bytes("k"), limit: 1) }
        #expect(malformed.kind == .invalidRequest)
    }

    @Test func publicBucketsNeedNoCredentials() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let open = try Self.bucket(admin, "public", isPublic: true)
        let closed = try Self.bucket(admin, "private")
        let stored = try admin.put(open, "k", bytes("for all"))
        try admin.put(closed, "k", bytes("for few"))
        for unsigned in [true, false] {
            let client = try S3Client(
                server, unsigned ? [:] : ["AWS_ACCESS_KEY_ID": nil, "AWS_SECRET_ACCESS_KEY": nil], unsigned: unsigned)
            #expect(try client.resolveCredentials() == false)
            #expect(try client.get(bucket: open, key: bytes("k"), limit: 100).bytes == bytes("for all"))
            let byVersion = try client.get(bucket: open, key: bytes("k"), versionId: stored.versionId, limit: 100)
            #expect(byVersion.bytes == bytes("for all"))
            #expect(try client.listKeys(bucket: open, prefix: []).count == 1)
            let refused = try failure { _ = try client.get(bucket: closed, key: bytes("k"), limit: 100) }
            #expect(refused.status == 403)
        }
    }

    @Test func temporaryCredentialsWork() throws {
        let server = try RGWServer.sharedWithSTS()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "sts")
        try admin.put(bucket, "a b/+", bytes("content"))
        let (accessKey, secretKey, token) = try admin.assumeRole()
        let client = try S3Client(
            server,
            ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": token])
        #expect(try client.get(bucket: bucket, key: bytes("a b/+"), limit: 100).bytes == bytes("content"))
        let without = try S3Client(server, ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey])
        #expect(try failure { _ = try without.get(bucket: bucket, key: bytes("a b/+"), limit: 100) }.status == 403)
    }

    @Test func listingsGoOnAfterAThousand() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "paging")
        let names = (0..<1205).map { String(format: "p%05d +%%", $0) }
        try admin.put(bucket, names.map { .init(key: "top/\($0)/x", content: []) })
        let client = try S3Client(server)
        let prefixes = try client.listPrefixes(bucket: bucket, prefix: bytes("top/"))
        #expect(prefixes == names.map { bytes("top/\($0)/") })
        #expect(
            try client.listKeys(bucket: bucket, prefix: bytes("top/")).map(\.key) == names.map { bytes("top/\($0)/x") })
        let later = try client.listPrefixes(
            bucket: bucket, prefix: bytes("top/"), startAfter: bytes("top/\(names[1200])/y"))
        #expect(later == names[1201...].map { bytes("top/\($0)/") })
        var pages = 0
        try client.list(bucket: bucket, prefix: bytes("top/"), pageSize: 100) { page in
            pages += 1
            #expect(page.objects.count == 100)
            return pages < 3
        }
        #expect(pages == 3)
        let tooMany = try icecoreError {
            _ = try client.listPrefixes(bucket: bucket, prefix: bytes("top/"), limit: 1000)
        }
        #expect(tooMany.code == .invalidData)
    }

    @Test func theNumberOfPartsIsTold() throws {
        let server = try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = try Self.bucket(admin, "parts")
        let content = [UInt8](repeating: 7, count: 5 << 20) + bytes("tail")
        let stored = try admin.put(bucket, .init(key: "big", content: content, partSize: 5 << 20))
        #expect(stored.etag.hasSuffix("-2"))
        let head = try S3Client(server).head(
            bucket: bucket, key: bytes("big"), versionId: stored.versionId, partNumber: 1)
        #expect(head.partsCount == 2)
        #expect(head.contentLength == 5 << 20)
    }

    @Test func versionsAndOddKeysAreServedByNginx() throws {
        let server = try NginxServer.shared()
        let client = try S3Client(server)
        let bucket = "odd-\(UInt32.random(in: 0 ... .max))"
        for (index, key) in ["plain", "with space/+%41?#", "🧊", "it's \"quoted\""].enumerated() {
            try server.add(bucket: bucket, key: key, content: bytes("latest"))
            try server.add(bucket: bucket, key: key, versionId: "v.\(index)_", content: bytes("content of \(key)"))
            #expect(try client.get(bucket: bucket, key: bytes(key), limit: 100).bytes == bytes("latest"))
            let old = try client.get(bucket: bucket, key: bytes(key), versionId: "v.\(index)_", limit: 100)
            #expect(old.bytes == bytes("content of \(key)"))
            let absent = try failure {
                _ = try client.get(bucket: bucket, key: bytes(key), versionId: "other", limit: 100)
            }
            #expect(absent.isNotFound)
        }
    }
}
