import Basics
import Testing

@testable import S3

/// The reader of listings: equal to the general one, and as strict.
@Suite struct VersionPageTests {
    private static let page = """
        <?xml version="1.0" encoding="UTF-8"?>
        <!-- a comment --><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
        <Name>bucket</Name><KeyMarker/><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>
        <NextKeyMarker>c%2Bd</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>
        <Version><Key>a+b%2B%C3%A9</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>
        <LastModified>2024-03-01T01:00:00.000Z</LastModified><ETag>&#34;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>
        <Size>0</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner></Version>
        <DeleteMarker><Key><![CDATA[c%2]]>Bd</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>
        <LastModified>2024-03-01T01:00:00.123Z</LastModified></DeleteMarker>
        <EncodingType>url</EncodingType></ListVersionsResult>
        """

    private func text(_ page: S3VersionPage, _ span: TextSpan) -> String {
        String(decoding: page.copy(span), as: UTF8.self)
    }

    @Test func everythingOfAPageIsRead() throws {
        let page = try S3VersionPage(xml: Array(Self.page.utf8))
        #expect(page.rows.count == 2 && page.isTruncated && !page.isOfObjects)
        #expect(text(page, page.rows[0].key) == "a b+é" && text(page, page.rows[0].versionId) == "null")
        #expect(text(page, page.rows[0].etag) == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(page.rows[0].isLatest && !page.rows[0].isMarker && page.rows[0].size == 0)
        #expect(text(page, page.rows[1].key) == "c+d" && page.rows[1].isMarker && !page.rows[1].isLatest)
        #expect(page.rows[1].lastModified == Timestamp(rfc3339: "2024-03-01T01:00:00.123Z"))
        let next = try #require(page.next)
        #expect(next.key == Array("c+d".utf8) && next.versionId == Array("v2".utf8))
    }

    @Test func everyTruncationIsRefused() {
        let bytes = Array(Self.page.utf8)
        for count in 0..<bytes.count - 1 {
            #expect(throws: IcecoreError.self) { try S3VersionPage(xml: Array(bytes.prefix(count))) }
        }
    }

    @Test(arguments: [
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated><Name>&a;</Name></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>perhaps</IsTruncated></ListVersionsResult>",
        "<ListVersionsResult></ListVersionsResult>", "<Error><Code>x</Code></Error>", "not XML", "",
        "<ListVersionsResult><IsTruncated>false</Truncated></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated><Version></Version></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>a</Key><Size>99999999999999999999</Size>"
            + "</Version></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><DeleteMarker><Key>%4</Key>"
            + "<LastModified>2024-03-01T01:00:00Z</LastModified></DeleteMarker></ListVersionsResult>",
    ])
    func whatIsNoListingIsRefused(_ text: String) {
        #expect(throws: IcecoreError.self) { try S3VersionPage(xml: Array(text.utf8)) }
    }

    @Test func keysInNoOrderAreRefusedButSeparateMarkersAreNot() throws {
        func entry(_ kind: String, _ key: String) -> String {
            "<\(kind)><Key>\(key)</Key><VersionId>1</VersionId><LastModified>2024-03-01T01:00:00Z</LastModified>"
                + "<ETag>x</ETag><Size>1</Size></\(kind)>"
        }
        func keys(_ entries: String...) throws -> [String] {
            let page = try S3VersionPage(
                xml: Array(
                    "<ListVersionsResult><IsTruncated>false</IsTruncated>\(entries.joined())</ListVersionsResult>".utf8)
            )
            return page.rows.map { text(page, $0.key) }
        }
        #expect(
            try keys(
                entry("Version", "a"), entry("Version", "c"), entry("DeleteMarker", "b"), entry("DeleteMarker", "d"))
                == ["a", "b", "c", "d"])
        #expect(throws: IcecoreError.self) { try keys(entry("Version", "b"), entry("Version", "a")) }
    }

    @Test func objectsAreLatestVersionsWithoutIds() throws {
        let page = try S3VersionPage(
            xml: Array(
                """
                <ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated>
                <NextContinuationToken>t&amp;</NextContinuationToken><Contents><Key>a%41</Key>
                <LastModified>2024-03-01T01:00:00Z</LastModified><ETag>"x"</ETag><Size>5</Size></Contents></ListBucketResult>
                """.utf8))
        #expect(page.isOfObjects && page.isOfSecondVersion && page.rows[0].isLatest && page.rows[0].versionId.isEmpty)
        // Nobody said that keys are encoded.
        #expect(text(page, page.rows[0].key) == "a%41" && page.next?.token == Array("t&".utf8))
    }
}
