import Basics
import Testbed
import Testing

@testable import S3

@Suite(.serialized) struct ConfigurationTests {
    private func base(_ bucket: String, _ region: String? = nil, _ environment: [String: String] = [:]) throws -> String
    {
        let configuration = try S3Configuration(region: region, environment: environment)
        let base = configuration.base(bucket: bucket, region: configuration.region)
        return base.origin + String(decoding: base.path, as: UTF8.self)
    }

    @Test func bucketsBecomeHostsWhereTheyCan() throws {
        #expect(try base("bucket") == "https://bucket.s3.us-east-1.amazonaws.com")
        #expect(try base("with.dot", "eu-west-1") == "https://s3.eu-west-1.amazonaws.com/with.dot")
        #expect(try base("Old_Bucket") == "https://s3.us-east-1.amazonaws.com/Old_Bucket")
        #expect(try base("bucket", "cn-north-1") == "https://bucket.s3.cn-north-1.amazonaws.com.cn")
        #expect(try base("bucket", nil, ["AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-2"]).contains(".a-1."))
        #expect(try base("bucket", nil, ["AWS_REGION": "", "AWS_DEFAULT_REGION": "b-2"]).contains(".b-2."))
        let both = ["AWS_ENDPOINT_URL": "http://one:1/", "AWS_ENDPOINT_URL_S3": "HTTPS://Two:2/p/"]
        #expect(try base("bucket", nil, both) == "https://two:2/p/bucket")
        #expect(try base("bucket", nil, ["AWS_ENDPOINT_URL": "http://[::1]:9"]) == "http://[::1]:9/bucket")
    }

    /// A daemon has left the directory that what is relative starts from; PWD has it.
    @Test func relativePathsStartInTheDirectoryOfTheCommand() throws {
        let environment = [
            "PWD": "/start/here", "HOME": "/home/me", "AWS_CA_BUNDLE": "ca.pem", "AWS_CONFIG_FILE": "../config",
            "AWS_SHARED_CREDENTIALS_FILE": "~/keys",
        ]
        let configuration = try S3Configuration(environment: environment)
        #expect(configuration.certificateBundle == "/start/here/ca.pem")
        #expect(configuration.profiles.configPath == "/start/here/../config")
        #expect(configuration.profiles.credentialsPath == "/home/me/keys")
        #expect(S3Configuration.file("/absolute", environment) == "/absolute")
    }

    @Test func profilesMayBeginWithAByteOrderMark() {
        let sections = ProfileFiles.parse([0xef, 0xbb, 0xbf] + bytes("[default]\r\naws_access_key_id = AK\r\n"))
        #expect(sections["default"]?["aws_access_key_id"] == "AK")
    }

    @Test func anEndpointMayHaveABlankBehindIt() throws {
        #expect(try base("bucket", nil, ["AWS_ENDPOINT_URL": " http://host:1 \n"]) == "http://host:1/bucket")
    }

    @Test func malformedSettingsAreUsageErrors() throws {
        for url in [
            "", "host:80", "ftp://host", "http://", "http://user:password@host", "http://host/?q", "http://h\r\nx",
        ] {
            let error = try icecoreError { _ = try S3Configuration(endpointURL: url, environment: [:]) }
            #expect(error.exitStatus == 64)
            #expect(!error.message.contains("password"))
        }
        for region in ["", "a/b", "evil.com", "x y"] {
            #expect(try icecoreError { _ = try S3Configuration(region: region, environment: [:]) }.exitStatus == 64)
        }
        for location in ["bucket/key", "s3:/bucket", "s3://", "s3://../x", "s3://a b/", "file:///x"] {
            #expect(try icecoreError { _ = try S3Location(location) }.exitStatus == 64)
        }
        let location = try S3Location("s3://bucket/a//b%20?#")
        #expect(location.bucket == "bucket")
        #expect(location.key == bytes("a//b%20?#"))
        #expect(try S3Location("s3://bucket").key == [])
    }

    @Test func anotherRegionIsLearned() throws {
        let server = try FaultServer()
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>"
        try server.can("/bucket/k", .init(status: 400, body: body), .init(body: "here"))
        try server.can("/bucket/l", .init(body: "there"))
        let client = try S3Client(server, ["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s"])
        #expect(try client.get(bucket: "bucket", key: bytes("k"), limit: 10).bytes == bytes("here"))
        #expect(try client.get(bucket: "bucket", key: bytes("l"), limit: 10).bytes == bytes("there"))
        let scopes = try server.log().map {
            $0.header("Authorization")?.split(separator: "/")[safe: 2].map(String.init)
        }
        #expect(scopes == ["us-east-1", "eu-north-1", "eu-north-1"])

        let redirect = [("x-amz-bucket-region", "ap-south-1")]
        try server.can("/other/k", .init(status: 301, headers: redirect), .init(body: "here"))
        #expect(try client.get(bucket: "other", key: bytes("k"), limit: 10).bytes == bytes("here"))
        // Two that point at each other, and one that points at what could become another host.
        try server.can(
            "/loop/k", .init(status: 301, headers: [("x-amz-bucket-region", "us-west-1")]),
            .init(status: 301, headers: [("x-amz-bucket-region", "us-west-2")]),
            .init(status: 301, headers: [("x-amz-bucket-region", "us-west-1")]),
            .init(status: 301, headers: [("x-amz-bucket-region", "us-west-2")]),
            .init(status: 301, headers: [("x-amz-bucket-region", "us-west-1")]))
        #expect(try failure { _ = try client.get(bucket: "loop", key: bytes("k"), limit: 10) }.status == 301)
        try server.can("/evil/k", .init(status: 301, headers: [("x-amz-bucket-region", "evil.com/x")]))
        #expect(try failure { _ = try client.get(bucket: "evil", key: bytes("k"), limit: 10) }.status == 301)
    }

    @Test func credentialsAreNotCarriedToStrangers() throws {
        let server = try FaultServer()
        let stranger = try FaultServer()
        let client = try S3Client(server, ["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s"])
        for (status, location) in [
            (307, "http://localhost:\(stranger.port)/bucket/k"), (302, "http://evil.amazonaws.com.evil.com/"),
            (301, "//127.0.0.1"), (307, "gopher://127.0.0.1/"), (308, "\(server.endpoint)/bucket/k"),
            (307, "\(stranger.endpoint)/bucket/k"),
        ] {
            try server.can("/bucket/k", .init(status: status, headers: [("Location", location)]))
            let failed = try failure { _ = try client.get(bucket: "bucket", key: bytes("k"), limit: 10) }
            #expect(failed.status == status)
        }
        #expect(try stranger.statistics().requests == 0)
        // A host below the endpoint's own is the same provider.
        let named = try S3Client(
            server,
            [
                "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s",
                "AWS_ENDPOINT_URL": "http://localhost:\(server.port)",
            ])
        let below = "http://bucket.localhost:\(server.port)/bucket/other"
        try server.can("/bucket/k", .init(status: 307, headers: [("Location", below)]))
        try server.can("/k", .init(body: "here"))
        #expect(try named.get(bucket: "bucket", key: bytes("k"), limit: 10).bytes == bytes("here"))
        #expect(try server.log().last?.header("Host") == "bucket.localhost:\(server.port)")
    }

    @Test func onlyAmazonsS3IsTheSameProviderAsAmazonsS3() throws {
        func same(_ current: String, _ target: String) throws -> Bool {
            S3Service.isSameProvider(try #require(Endpoint(current)), try #require(Endpoint(target)))
        }
        #expect(try same("https://b.s3.us-east-1.amazonaws.com", "https://b.s3-us-west-2.amazonaws.com"))
        #expect(try same("https://b.s3.us-east-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"))
        #expect(try !same("https://b.s3.us-east-1.amazonaws.com", "http://b.s3.us-east-1.amazonaws.com"))
        #expect(try !same("https://b.s3.us-east-1.amazonaws.com", "https://b.s3.us-east-1.amazonaws.com.evil.com"))
        #expect(try !same("https://b.s3.us-east-1.amazonaws.com", "https://evil.execute-api.us-east-1.amazonaws.com"))
        #expect(try !same("https://b.s3.us-east-1.amazonaws.com", "https://b.s3.amazonaws.com:8443"))
        #expect(try same("http://minio.local", "https://minio.local"))
        #expect(try !same("http://minio.local", "http://minio.evil"))
    }

    @Test func requesterPaysIsSaidAndSigned() throws {
        let server = try FaultServer()
        try server.can("/bucket/k", .init(body: "here"))
        let environment = server.environment.merging(["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s"]) { $1 }
        let client = S3Client(try S3Configuration(requesterPays: true, environment: environment))
        _ = try client.get(bucket: "bucket", key: bytes("k"), limit: 10)
        let request = try #require(try server.log().first)
        #expect(request.header("x-amz-request-payer") == "requester")
        #expect(request.header("Authorization")?.contains("x-amz-request-payer") == true)
        #expect(request.header("x-amz-content-sha256") == Hex.encode(SHA256.digest([])))
    }

    @Test func urlsAreWrittenAsTheyAreSigned() {
        var request = S3Request(bucket: "b", key: (0...255).map { UInt8($0) }, versionId: "a/b+c d")
        request.query = [("uploads", []), ("Acl", bytes("~"))]
        var url: [UInt8] = []
        request.appendTarget(to: &url)
        let text = String(decoding: url, as: UTF8.self)
        #expect(text.hasPrefix("/%00%01"))
        #expect(text.contains("%20%21%22%23%24%25%26%27%28%29%2A%2B%2C-./0123456789%3A%3B%3C%3D%3E%3F%40ABC"))
        #expect(text.contains("%5B%5C%5D%5E_%60abc"))
        #expect(text.hasSuffix("%FE%FF?Acl=~&uploads=&versionId=a%2Fb%2Bc%20d"))
        #expect(PercentEncoding.decode(url.dropFirst().prefix { $0 != UInt8(ascii: "?") }) == request.key)
    }
}

extension Collection {
    fileprivate subscript(safe offset: Int) -> Element? { dropFirst(offset).first }
}
