import Basics
import Inventory
import Model
import Testing

/// Manifests.
@Suite struct ManifestTests {
    static let good = """
        {"sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
         "creationTimestamp": "1730854800000", "fileFormat": "CSV", "unheard": {"of": [1, 2]},
         "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, Novelty, LastModifiedDate, ETag",
         "files": [
            {"key": "a/data/x.csv.gz", "size": 2147483648, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"},
            {"key": "../../etc/passwd", "MD5checksum": "F11166069F1990ABEB9C97ACE9CDFABD", "more": null}]}
        """

    @Test func aManifestOfAWSIsUnderstood() throws {
        let manifest = try InventoryManifest(json: Array(Self.good.utf8), origin: "m")
        #expect(manifest.sourceBucket == "bucket")
        #expect(manifest.destinationBucket == "reports")
        #expect(manifest.version == "2016-11-30")
        #expect(manifest.created.rfc3339 == "2024-11-06T01:00:00Z")
        #expect(
            manifest.columns == [
                .bucket, .key, .versionId, .isLatest, .isDeleteMarker, .size, nil, .lastModified, .etag,
            ])
        #expect(manifest.files.map(\.key) == ["a/data/x.csv.gz", "../../etc/passwd"])
        #expect(manifest.files.map(\.size) == [2_147_483_648, nil])
        #expect(manifest.files[0].md5.count == 16 && manifest.files[0].md5[0] == 0xF1)
    }

    @Test func theDestinationMayBeABareNameAndTheTimeANumber() throws {
        let json = Self.good.replacing("arn:aws:s3:::reports", with: "reports").replacing(
            "\"1730854800000\"", with: "1730854800000")
        let manifest = try InventoryManifest(json: Array(json.utf8), origin: "m")
        #expect(manifest.destinationBucket == "reports")
        #expect(manifest.created.milliseconds == 1_730_854_800_000)
    }

    @Test(arguments: Fixture.all("manifests"))
    func anUnusableManifestIsRefusedWithASentence(_ fixture: Fixture) throws {
        let found = sentence { _ = try InventoryManifest(json: Array(fixture.content.utf8), origin: "manifest.json") }
        #expect(found == fixture.header["error"])
    }

    @Test func thereAreFixturesOfEachKind() {
        #expect(Fixture.all("manifests").count >= 30)
        #expect(Fixture.all("golden").count >= 9)
        #expect(Fixture.all("should-fail").count >= 28)
    }

    @Test func withoutTheColumnETagsAreUnknown() throws {
        let json = Self.good.replacing(", ETag\"", with: "\"")
        #expect(try !InventoryManifest(json: Array(json.utf8), origin: "m").hasETags)
        #expect(try InventoryManifest(json: Array(Self.good.utf8), origin: "m").hasETags)
        #expect(ETag(InventoryRow.unknownETag) == .unknown && ETag.unknown.isUnknown && ETag.unknown.known == nil)
        #expect(!ETag.empty.isUnknown && ETag.empty.known == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(!ETag(Array("unknown".utf8)).isUnknown)
    }

    @Test func theChecksumMayEndWithANewlineAndMustMatch() throws {
        let json = Array("{}".utf8)
        for text in [
            "99914b932bd37a50b983c5e7c90ae93b", "99914B932BD37A50B983C5E7C90AE93B\r\n",
            " 99914b932bd37a50b983c5e7c90ae93b \n",
        ] {
            try InventoryManifest.check(json: json, checksum: Array(text.utf8), origin: "m")
        }
        #expect(
            sentence {
                try InventoryManifest.check(
                    json: json, checksum: Array("99914b932bd37a50b983c5e7c90ae93c".utf8), origin: "m")
            }
                == "the manifest 'm' is damaged: its MD5 is 99914b932bd37a50b983c5e7c90ae93b, but manifest.checksum says "
                + "99914b932bd37a50b983c5e7c90ae93c; fetch it again, or choose another date")
        for text in ["", "99914b932bd37a50b983c5e7c90ae93", "<html>", String(repeating: " ", count: 5000)] {
            #expect(
                sentence { try InventoryManifest.check(json: json, checksum: Array(text.utf8), origin: "m") }
                    == "the manifest.checksum of 'm' is not an MD5 of 32 hexadecimal digits; fetch it again, or choose "
                    + "another date")
        }
    }

    @Test func anInventorysNameIsADateAndATime() {
        #expect(InventoryName.timestamp("2024-11-06T01-00Z")?.rfc3339 == "2024-11-06T01:00:00Z")
        #expect(InventoryName.timestamp("2024-02-29T23-59Z")?.rfc3339 == "2024-02-29T23:59:00Z")
        let wrong = [
            "", "2024-11-06", "2024-11-06T01-00", "2024-11-06T01:00Z", "2023-02-29T01-00Z", "2024-13-06T01-00Z",
            "2024-11-06T24-00Z", "2024-11-06T01-60Z", "2024-11-06T01-00Z ", "hive", "data", "2024-11-0６T01-00Z",
            "+024-11-06T01-00Z",
        ]
        for name in wrong { #expect(!InventoryName.isValid(name), "\(name)") }
    }
}
