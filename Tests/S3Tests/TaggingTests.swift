import Basics
import Testbed
import Testing

@testable import S3

/// Tags, and the headers that objects are put with.
@Suite struct TaggingTests {
    @Test func tagsAreReadAsTheyAre() throws {
        let document = """
            <Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>a &amp; b</Key><Value>&lt;1&gt;</Value></Tag>
            <Tag><Value/><Key>ü</Key></Tag></TagSet></Tagging>
            """
        #expect(try S3Tagging(xml: bytes(document)).tags == ["a & b": "<1>", "ü": ""])
        #expect(try S3Tagging(xml: bytes("<Tagging><TagSet></TagSet></Tagging>")).tags.isEmpty)
        #expect(try S3Tagging(xml: bytes("<Tagging/>")).tags.isEmpty)
    }

    @Test(arguments: [
        "", "<TagSet/>", "<Tagging><TagSet><Tag><Value>1</Value></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Key>a</Key></Tag><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Key>a</Key>", "<!DOCTYPE a []><Tagging/>",
    ])
    func damagedTagsAreErrors(_ xml: String) throws {
        #expect(try icecoreError { _ = try S3Tagging(xml: bytes(xml)) }.code == .invalidData)
    }

    @Test func tagsAreWrittenAsTheyAreRead() throws {
        let tags = ["a=b&c": "d e+%", "<x>": "line\nbreak", "ü": "", "\"q\"": "'"]
        #expect(try S3Tagging(xml: S3Tagging(tags).xml).tags == tags)
        #expect(S3Tagging(["a=b": "c d", "e": "ü"]).header == "a%3Db=c%20d&e=%C3%BC")
        #expect(S3Tagging().header.isEmpty)
    }

    @Test(arguments: ["RGW", "moto"]) func tagsAreSetAndTakenAway(_ kind: String) throws {
        let server: S3Server = kind == "RGW" ? try RGWServer.shared() : try MotoServer.shared()
        let admin = try S3Admin(server)
        let bucket = try ObjectTests.bucket(admin, "tags")
        let client = try S3Client(server)
        try admin.put(bucket, "k", bytes("v"))
        #expect(try client.tagging(bucket: bucket, key: bytes("k")).tags.isEmpty)
        let tags = S3Tagging(["one": "1", "a b": "c/d:e=f", "empty": ""])
        try client.setTagging(tags, bucket: bucket, key: bytes("k"))
        #expect(try client.tagging(bucket: bucket, key: bytes("k")) == tags)
        #expect(try client.head(bucket: bucket, key: bytes("k")).tagCount ?? 3 == 3)
        try client.setTagging(S3Tagging(), bucket: bucket, key: bytes("k"))
        #expect(try client.tagging(bucket: bucket, key: bytes("k")).tags.isEmpty)
    }

    /// Names that begin with others, and values that are empty or have several spaces: the signature must fit all the same.
    @Test func headersOfAnyNamesAreSigned() throws {
        let server = try RGWServer.shared()
        let bucket = try ObjectTests.bucket(S3Admin(server), "headers")
        let client = try S3Client(server)
        let metadata = [
            ("size", "1"), ("size-unit", "km"), ("size2", "2"), ("size.x", "a  b   c"), ("empty", ""), ("last", "ü"),
        ]
        for versions in [0, 1] {
            var request = S3Request(.put, bucket: bucket, key: bytes("a b/ü+\(versions)"))
            request.payload = bytes("content")
            request.headers = metadata.map { ("x-amz-meta-\($0.0)", $0.1) }
            request.query = versions == 0 ? [] : [("x-id", bytes("Put Object"))]
            _ = try client.send(request)
            let head = try client.head(bucket: bucket, key: request.key)
            let there = Dictionary(head.metadata.map { ($0.name, $0.value) }) { first, _ in first }
            #expect(there == Dictionary(uniqueKeysWithValues: metadata))
        }
    }

    /// Many requests at once, some of which libcurl signs.
    @Test func keysAreDeletedTogether() throws {
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let bucket = try ObjectTests.bucket(admin, "deletions")
        let keys = ["a", "a b+c", "<&>\"'", "ü/🧊", "tab\there"]
        for key in keys { try admin.put(bucket, key, bytes("x")) }
        let client = try S3Client(server)
        let request = S3Deletion.request(bucket: bucket, keys: keys.map(bytes) + [bytes("never there")])
        #expect(try S3Deletion.refused(client.send(request).bytes).isEmpty)
        #expect(try client.listKeys(bucket: bucket, prefix: []).isEmpty)
        #expect(!S3Deletion.canName([0x61, 0x01]) && !S3Deletion.canName([0xff]) && S3Deletion.canName(bytes("ü\n")))
        let answer = """
            <DeleteResult><Error><Key>a&lt;b</Key><Code>AccessDenied</Code><Message>No.</Message></Error>
            <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>
            """
        let refused = try S3Deletion.refused(bytes(answer))
        #expect(refused.map(\.key) == [bytes("a<b")] && refused.first?.reason == "No. (AccessDenied)")
    }
}
