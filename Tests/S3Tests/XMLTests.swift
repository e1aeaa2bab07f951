import Basics
import Testing

@testable import S3

@Suite struct XMLTests {
    private func page(_ xml: String) throws -> S3ListPage {
        try S3ListPage(xml: bytes(xml))
    }

    private let listing = """
        <?xml version="1.0" encoding="UTF-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>
        <Contents><Key>a+b%2Bc%00</Key><LastModified>2024-03-01T01:00:00.000Z</LastModified><ETag>&quot;abc&quot;</ETag>
        <Size>12</Size><Owner><ID>x</ID><Key>not this</Key></Owner></Contents>
        <CommonPrefixes><Prefix>p%20q/</Prefix></CommonPrefixes><EncodingType>url</EncodingType>
        <NextContinuationToken>1/=&amp;&lt;</NextContinuationToken><IsTruncated>true</IsTruncated></ListBucketResult>
        """

    @Test func listingsAreRead() throws {
        let page = try page(listing)
        #expect(page.objects.map(\.key) == [bytes("a b+c\0")])
        #expect(page.objects.first?.size == 12)
        #expect(page.objects.first?.etag == "abc")
        #expect(page.objects.first?.lastModified?.rfc3339 == "2024-03-01T01:00:00Z")
        #expect(page.prefixes == [bytes("p q/")])
        #expect(page.nextToken == bytes("1/=&<"))
    }

    @Test func keysAreDecodedOnlyIfTheAnswerSaysSo() throws {
        let page = try page(
            "<ListBucketResult><Contents><Key>a%20+&#x1F9CA;&#10;</Key></Contents><IsTruncated>false</IsTruncated></ListBucketResult>"
        )
        #expect(page.objects.map(\.key) == [bytes("a%20+🧊\n")])
        #expect(page.nextToken == nil)
    }

    @Test(arguments: [
        "", " ", "text", "<", "<a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "</a>", "<a>&bomb;</a>", "<a>&#xD800;</a>",
        "<a>&#99999999;</a>", "<a>&</a>", "<a>&amp</a>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a><![CDATA[x</a>",
        "<a><!-- </a>", "<a b='</a>", "<?xml", "<ListBucketResult/>", "<Other><IsTruncated>false</IsTruncated></Other>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>%4</Key></Contents><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated></ListBucketResult>",
        String(repeating: "<a>", count: 100_000),
    ])
    func damagedListingsAreErrors(_ xml: String) throws {
        let error = try icecoreError { _ = try page(xml) }
        #expect(error.code == .invalidData)
    }

    @Test func noMutationCrashes() throws {
        var generator = SplitMix(state: 20240301)
        let original = bytes(listing)
        let spice = bytes("<>&;/='\"!?-[]#x%+ \0\u{7f}") + [0xff, 0xc3]
        var readable = 0
        for _ in 0..<20_000 {
            var xml = original
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let place = Int.random(in: 0..<xml.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: xml[place] = spice.randomElement(using: &generator) ?? 0
                case 1: xml.remove(at: place)
                case 2: xml.insert(spice.randomElement(using: &generator) ?? 0, at: place)
                default: xml.removeSubrange(place..<min(xml.count, place + 40))
                }
            }
            if (try? S3ListPage(xml: xml)) != nil { readable += 1 }
            _ = try? XMLFields.read(xml, root: "Error")
        }
        #expect(readable > 0 && readable < 20_000)
    }

    @Test func errorsAreRead() throws {
        var head = S3ResponseHead()
        for line in ["HTTP/1.1 404 Not Found\r\n", "X-Amz-Request-Id: 77\r\n", "\r\n"] {
            _ = bytes(line).withUnsafeBytes { head.add(line: $0) }
        }
        let body = bytes("<Error><Code>NoSuchKey</Code><Message>bad\u{1b}[31m\nsecret-token</Message></Error>")
        let failure = S3Failure(head: head, body: body, secrets: ["secret-token"])
        #expect(failure.code == "NoSuchKey")
        #expect(failure.message == "bad\u{FFFD}[31m\u{FFFD}…")
        #expect(failure.requestId == "77")
        let page = S3Failure(head: head, body: bytes("<html><br>"), secrets: [])
        #expect(page.description == "the server answered 404")
    }

    @Test func headsAreRead() throws {
        var head = S3ResponseHead()
        let lines = [
            "HTTP/1.1 100 Continue", "", "HTTP/1.1 206 Partial Content", "ETag: \"abc-3\"", "content-LENGTH:  5 ",
            "Content-Range: bytes 7-9/10", "x-amz-version-id:null", "X-Amz-Meta-A-B: c", "x-amz-mp-parts-count: 3",
            "x-amz-server-side-encryption: aws:kms", "Content-Length: 6", "Unknown: x", "",
            "x-amz-storage-class: GLACIER",
        ]
        for line in lines { #expect(bytes(line + "\r\n").withUnsafeBytes { head.add(line: $0) }) }
        #expect(head.status == 206)
        #expect(head.etag == "abc-3")
        #expect(head.contentLength == 5)
        #expect(head.contentRange?.range == 7..<10)
        #expect(head.versionId == "null")
        #expect(head.partsCount == 3)
        #expect(head.metadata.map(\.name) == ["a-b"])
        #expect(head.hasOpaqueETag)
        #expect(head.storageClass == "GLACIER")
        for range in ["bytes 9-7/10", "bytes -7/10", "bytes 1-2", "5-7/8", "bytes 0-99999999999999999999/1"] {
            head.reset()
            _ = bytes("Content-Range: \(range)").withUnsafeBytes { head.add(line: $0) }
            #expect(head.contentRange == nil)
        }
    }
}

/// Random numbers that are the same each time.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
