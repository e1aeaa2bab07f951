import Basics
import Testbed
import Testing

@testable import S3

/// Where requests go, compared with botocore: what stands in ~/.aws and the environment means the same to both.
@Suite(.serialized) struct AddressTests {
    private struct Surroundings {
        var environment: [String: String]
        var config: String

        init(_ config: String = "", _ environment: [String: String] = [:]) {
            self.config = config
            self.environment = environment
        }
    }

    private static let oracle = Result { try BotocoreAddresses() }

    /// What a configuration makes of them; nil where it refuses.
    private func configuration(_ surroundings: Surroundings) throws -> S3Configuration? {
        try Testbed.withDirectory { home in
            try Files.replace("\(home)/config", with: bytes(surroundings.config))
            let environment = surroundings.environment.merging(["AWS_CONFIG_FILE": "\(home)/config", "HOME": home]) {
                $1
            }
            do {
                let configuration = try S3Configuration(environment: environment)
                // Read while the files are there.
                _ = try SecurityTokenService(configuration, settings: configuration.settings)
                return configuration
            } catch let error as IcecoreError where error.exitStatus == 64 || error.code == .notFound {
                return nil
            }
        }
    }

    private func address(_ bucket: String, _ surroundings: Surroundings) throws -> String? {
        guard let configuration = try configuration(surroundings) else { return nil }
        if AccessPoint.isARN(bucket), (try? AccessPoint(arn: bucket)) == nil { return nil }
        let base = configuration.base(bucket: bucket, region: configuration.region)
        return base.origin + String(decoding: base.path, as: UTF8.self) + "/k"
    }

    private func expectSame(
        _ bucket: String, _ surroundings: Surroundings, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = try Self.oracle.get().url(
            "s3", bucket: bucket, environment: surroundings.environment, config: surroundings.config)
        let found = try address(bucket, surroundings)
        #expect(found == expected, "\(bucket) \(surroundings)", sourceLocation: sourceLocation)
    }

    private static let regions = [
        "us-east-1", "us-east-2", "eu-central-1", "mx-central-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1",
        "us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1",
    ]

    @Test(arguments: regions)
    func everyRegionHasItsHosts(region: String) throws {
        for config in ["", "use_dualstack_endpoint = true\n", "use_fips_endpoint = true\n"] {
            let surroundings = Surroundings("[default]\nregion = \(region)\n\(config)")
            // For these botocore knows no such hosts.
            let isKnown = !config.contains("dualstack") || !region.contains("-isof-") && !region.contains("-isoe-")
            if !isKnown { continue }
            for bucket in ["bucket", "with.dots"] { try expectSame(bucket, surroundings) }
            let expected = try Self.oracle.get().url(
                "sts", environment: surroundings.environment, config: surroundings.config)
            let found = try configuration(surroundings).map { configuration in
                try SecurityTokenService(configuration, settings: configuration.settings).endpoint.description + "/"
            }
            if region.hasPrefix("cn-"), config.contains("fips") {
                // This program asks for both services at once, and S3 has none there.
                #expect(found == nil)
            } else {
                #expect(found == expected, "\(region) \(config)")
            }
        }
    }

    private static let lab = """
        [default]
        region = eu-west-1
        services = lab
        endpoint_url = https://profile.example.org
        [services lab]
        sts =
          endpoint_url = https://sts.example.org
        s3 =
          endpoint_url = https://lab.example.org:9000/base
          other = x
        """

    @Test func endpointsOfProfilesAndTheEnvironmentHaveTheirOrder() throws {
        let urls = ["AWS_ENDPOINT_URL_S3": "https://s3.example.org", "AWS_ENDPOINT_URL": "https://all.example.org"]
        for variables in [
            [:], urls, ["AWS_ENDPOINT_URL": urls["AWS_ENDPOINT_URL"] ?? ""],
            ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"],
            urls.merging(["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"]) { $1 },
        ] {
            try expectSame("bucket", Surroundings(Self.lab, variables))
        }
        for config in [
            "[default]\nregion = eu-west-1\nendpoint_url = https://profile.example.org\n",
            "[default]\nregion = eu-west-1\nendpoint_url = https://profile.example.org\nignore_configured_endpoint_urls = true\n",
            // A section for other services only, and none at all.
            "[default]\nregion = eu-west-1\nservices = lab\n[services lab]\nsqs =\n  endpoint_url = https://sqs.example.org\n",
            "[default]\nregion = eu-west-1\nservices = nowhere\n",
            "[profile other]\nregion = eu-west-1\nendpoint_url = https://other.example.org\n",
        ] {
            try expectSame("bucket", Surroundings(config, config.contains("other]") ? ["AWS_PROFILE": "other"] : [:]))
        }
        // What is given in person counts for more than all of it.
        let given = try Testbed.withDirectory { home in
            try Files.replace("\(home)/config", with: bytes(Self.lab))
            return try S3Configuration(
                endpointURL: "https://given.example.org",
                environment: ["AWS_CONFIG_FILE": "\(home)/config"].merging(urls) { $1 })
        }
        #expect(given.base(bucket: "bucket", region: "eu-west-1").origin == "https://given.example.org")
    }

    @Test func addressingIsAsTheProfileSays() throws {
        for style in ["path", "virtual", "auto"] {
            for endpoint in ["", "endpoint_url = https://lab.example.org/base\n", "endpoint_url = http://lab:80\n"] {
                let config = "[default]\nregion = eu-west-1\n\(endpoint)s3 =\n    addressing_style = \(style)\n"
                for bucket in ["bucket", "with.dots"] { try expectSame(bucket, Surroundings(config)) }
            }
        }
        #expect(try configuration(Surroundings("[default]\ns3 =\n  addressing_style = sideways\n")) == nil)
    }

    @Test func hostsOfIPv6AndFIPSAreAskedFor() throws {
        let region = ["AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"]
        for variables in [
            ["AWS_USE_DUALSTACK_ENDPOINT": "true"], ["AWS_USE_FIPS_ENDPOINT": "true"],
            ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"],
            ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "https://lab.example.org"],
        ] { try expectSame("bucket", Surroundings("", region.merging(variables) { $1 })) }
        for config in [
            "s3 =\n  use_dualstack_endpoint = true\n", "use_dualstack_endpoint = true\nuse_fips_endpoint = true\n",
        ] { try expectSame("bucket", Surroundings("[default]\n\(config)", region)) }
        // Other servers have no such hosts: that they are wished for elsewhere is no reason not to use them.
        let own = Surroundings(
            "[default]\nuse_dualstack_endpoint = true\n", ["AWS_ENDPOINT_URL": "https://lab.example.org"])
        #expect(try address("bucket", own) == "https://lab.example.org/bucket/k")
    }

    @Test func accessPointsHaveHostsOfTheirOwn() throws {
        let region = "[default]\nregion = us-west-2\n"
        let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/my-point"
        for arn in [
            point, "arn:aws:s3:eu-west-1:123456789012:accesspoint:my-point",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/", "arn:aws:s3:eu-west-1::accesspoint/my-point",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/a/b", "arn:aws:s3:eu-west-1:123456789012:bucket/b",
            "arn:aws",
        ] { try expectSame(arn, Surroundings(region)) }
        for more in [
            "use_fips_endpoint = true\n", "use_dualstack_endpoint = true\n", "endpoint_url = https://lab.example.org\n",
            "s3 =\n  addressing_style = path\n", "s3 =\n  addressing_style = virtual\n",
        ] { try expectSame(point, Surroundings(region + more)) }
        let china = "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/my-point"
        try expectSame(china, Surroundings("[default]\nregion = cn-northwest-1\n"))
        // Relatives, which are not supported.
        for arn in [
            "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/my-point",
        ] { #expect(try icecoreError { _ = try AccessPoint(arn: arn) }.code == .unsupported) }

        let location = try S3Location("s3://\(point)/some/key")
        #expect(location.bucket == point && location.key == bytes("some/key"))
        #expect(try S3Location("s3://\(point)").key.isEmpty)
        // It is signed for its own region.
        let service = S3Service(
            try #require(try configuration(Surroundings(region))), credentials: CredentialsProvider { nil })
        #expect(service.region(of: point) == "eu-west-1" && service.region(of: "bucket") == "us-west-2")
    }

    @Test func aProfilesCertificatesAreTrusted() throws {
        let server = try FaultServer(tls: true)
        try server.can("/bucket/k", .init(body: "here"))
        try Testbed.withDirectory { home in
            try Files.createDirectory("\(home)/.aws")
            try Files.replace(
                "\(home)/.aws/config", with: bytes("[default]\nca_bundle = \(server.certificate)\nregion = r\n"))
            let trusting = try S3Client(server, ["HOME": home], unsigned: true)
            #expect(try trusting.get(bucket: "bucket", key: bytes("k"), limit: 10).bytes == bytes("here"))
            #expect(throws: (any Error).self) {
                let other = try S3Client(server, ["HOME": home, "AWS_CA_BUNDLE": "/etc/hostname"], unsigned: true)
                _ = try other.get(bucket: "bucket", key: bytes("k"), limit: 10)
            }
        }
    }
}
