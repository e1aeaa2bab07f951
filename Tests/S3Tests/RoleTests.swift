import Basics
import Foundation
import Testbed
import Testing

@testable import S3

/// Credentials of roles, from moto's STS, and from one that says what it is told to say.
@Suite(.serialized) struct RoleTests {
    private static let secret = "SECRETSECRET/0123456789+abcdefghijklmnop"
    private static let role = "arn:aws:iam::123456789012:role/reader"

    /// The provider that the files of a home directory lead to.
    private func withProvider<Result>(
        _ environment: [String: String], profile: String? = nil, credentials: String = "", config: String,
        _ body: (CredentialsProvider) throws -> Result
    ) throws -> Result {
        try Testbed.withDirectory { home in
            try Files.createDirectory("\(home)/.aws")
            try Files.replace("\(home)/.aws/credentials", with: bytes(credentials))
            try Files.replace(
                "\(home)/.aws/config", with: bytes(config.replacingOccurrences(of: "HOME", with: home)))
            try Files.replace("\(home)/token", with: bytes("identity.token.of-somebody\n"))
            var all = environment.mapValues { $0.replacingOccurrences(of: "HOME", with: home) }
            all["HOME"] = home
            all["AWS_EC2_METADATA_DISABLED"] = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == nil ? "true" : nil
            return try body(CredentialsProvider(try S3Configuration(profile: profile, environment: all)))
        }
    }

    private func find(
        _ environment: [String: String], profile: String? = nil, credentials: String = "", config: String
    ) throws -> Credentials? {
        try withProvider(environment, profile: profile, credentials: credentials, config: config) {
            try $0.current().credentials
        }
    }

    private static let keys = "[base]\naws_access_key_id = BASE\naws_secret_access_key = \(secret)\n"
    private static let reader = "[profile reader]\nrole_arn = \(role)\nsource_profile = base\nregion = eu-west-1\n"

    private func answer(_ name: String, seconds: Int, action: String = "AssumeRole") -> FaultServer.Canned {
        let end = Timestamp(milliseconds: Timestamp.now().milliseconds + Int64(seconds) * 1000).rfc3339
        return .init(
            body: """
                <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result><AssumedRoleUser>\
                <Arn>arn</Arn></AssumedRoleUser><Credentials><AccessKeyId>\(name)</AccessKeyId><SecretAccessKey>s&amp;k\
                </SecretAccessKey><SessionToken>token-\(name)</SessionToken><Expiration>\(end)</Expiration></Credentials>\
                </\(action)Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></\(action)Response>
                """)
    }

    @Test func motoGivesTheCredentialsOfARole() throws {
        let server = try MotoServer.shared()
        for environment in [
            ["AWS_ENDPOINT_URL_STS": server.endpoint],
            ["AWS_ENDPOINT_URL_STS": server.endpoint, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"],
            ["AWS_ENDPOINT_URL": server.endpoint],
        ] {
            let config =
                Self.reader + "external_id = a b+c/ä\nrole_session_name = session@night\nduration_seconds = 1000\n"
            let found = try #require(
                try find(environment, profile: "reader", credentials: Self.keys, config: config))
            #expect(found.accessKeyId.hasPrefix("ASIA") && found.sessionToken?.isEmpty == false)
            let lifetime = try #require(found.expiration).milliseconds - Timestamp.now().milliseconds
            #expect((980_000...1_001_000).contains(lifetime), "\(lifetime)")
        }
    }

    @Test func theRequestSaysWhatTheProfileDoes() throws {
        let server = try FaultServer()
        try server.can("/", answer("ROLE", seconds: 3600))
        let environment = ["AWS_ENDPOINT_URL_STS": server.endpoint]
        let credentials = Self.keys + "aws_session_token = base-token\n"
        let found = try find(environment, profile: "reader", credentials: credentials, config: Self.reader)
        #expect(found?.accessKeyId == "ROLE")
        #expect(found?.secretAccessKey == "s&k")
        #expect(found?.sessionToken == "token-ROLE")
        let request = try #require(try server.log().first)
        #expect(request.method == "POST")
        #expect(request.header("Authorization")?.contains("Credential=BASE/") == true)
        #expect(request.header("Authorization")?.contains("/eu-west-1/sts/aws4_request") == true)
        #expect(request.header("x-amz-security-token") == "base-token")
        #expect(request.header("Content-Type")?.hasPrefix("application/x-www-form-urlencoded") == true)
    }

    @Test func rolesLeadToRoles() throws {
        let server = try FaultServer()
        try server.can("/", answer("FIRST", seconds: 3600), answer("SECOND", seconds: 3600))
        let config =
            Self.reader + "[profile far]\nrole_arn = arn:aws:iam::2:role/far\nsource_profile = reader\n"
        let found = try find(
            ["AWS_ENDPOINT_URL_STS": server.endpoint, "AWS_PROFILE": "far"], credentials: Self.keys, config: config)
        #expect(found?.accessKeyId == "SECOND")
        let log = try server.log()
        #expect(log.count == 2)
        #expect(log.first?.header("Authorization")?.contains("Credential=BASE/") == true)
        #expect(log.last?.header("Authorization")?.contains("Credential=FIRST/") == true)
        #expect(log.last?.header("x-amz-security-token") == "token-FIRST")
    }

    @Test func aProfileMayAssumeItsRoleWithItsOwnKeys() throws {
        let server = try FaultServer()
        try server.can("/", answer("ROLE", seconds: 3600))
        let own = "[reader]\naws_access_key_id = OWN\naws_secret_access_key = s\n"
        let config = "[profile reader]\nrole_arn = \(Self.role)\nsource_profile = reader\n"
        let environment = ["AWS_ENDPOINT_URL_STS": server.endpoint]
        #expect(try find(environment, profile: "reader", credentials: own, config: config)?.accessKeyId == "ROLE")
        #expect(try server.log().first?.header("Authorization")?.contains("Credential=OWN/") == true)
    }

    @Test func placesCanBeTheSourceOfARole() throws {
        let server = try FaultServer()
        try server.can("/", answer("ROLE", seconds: 3600))
        let document = #"{"AccessKeyId":"PLACE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#
        try server.can("/creds", .init(body: document))
        try server.can("/latest/api/token", .init(body: "session"))
        try server.can("/latest/meta-data/iam/security-credentials/", .init(body: "machine"))
        try server.can("/latest/meta-data/iam/security-credentials/machine", .init(body: document))
        let places = [
            "Environment": ["AWS_ACCESS_KEY_ID": "PLACE", "AWS_SECRET_ACCESS_KEY": Self.secret],
            "EcsContainer": ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.endpoint)/creds"],
            "Ec2InstanceMetadata": ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.endpoint],
        ]
        for (place, environment) in places {
            let config = "[profile reader]\nrole_arn = \(Self.role)\ncredential_source = \(place)\n"
            let all = environment.merging(["AWS_ENDPOINT_URL_STS": server.endpoint]) { first, _ in first }
            #expect(try find(all, profile: "reader", config: config)?.accessKeyId == "ROLE", "\(place)")
            let last = try #require(try server.log().last { $0.target == "/" })
            #expect(last.header("Authorization")?.contains("Credential=PLACE/") == true, "\(place)")
        }
    }

    @Test func webIdentitiesGetTheirRole() throws {
        let moto = try MotoServer.shared()
        let environment = [
            "AWS_ENDPOINT_URL_STS": moto.endpoint, "AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/token",
            "AWS_ROLE_ARN": Self.role,
        ]
        #expect(try find(environment, config: "")?.accessKeyId.hasPrefix("ASIA") == true)
        let config = "[profile web]\nrole_arn = \(Self.role)\nweb_identity_token_file = HOME/token\n"
        let byProfile = try find(["AWS_ENDPOINT_URL_STS": moto.endpoint], profile: "web", config: config)
        #expect(byProfile?.accessKeyId.hasPrefix("ASIA") == true)

        let server = try FaultServer()
        try server.can(
            "/",
            .init(
                status: 400,
                body:
                    "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>identity.token.of-somebody is bad"
                    + "</Message></Error></ErrorResponse>"))
        let error = try icecoreError {
            _ = try find(environment.merging(["AWS_ENDPOINT_URL_STS": server.endpoint]) { _, new in new }, config: "")
        }
        #expect(error.code == .forbidden && error.message.contains("InvalidIdentityToken"))
        #expect(!error.message.contains("identity.token"), "\(error.message)")
        #expect(try server.log().first?.header("Authorization") == nil)
    }

    @Test func aRoleIsRenewedBeforeItsCredentialsExpire() throws {
        let server = try FaultServer()
        try server.can("/", answer("ONE", seconds: 6), answer("TWO", seconds: 3600))
        try withProvider(
            ["AWS_ENDPOINT_URL_STS": server.endpoint], profile: "reader", credentials: Self.keys, config: Self.reader
        ) { provider in
            let first = try #require(try provider.current().credentials)
            #expect(first.accessKeyId == "ONE")
            let end = try #require(first.expiration)
            var before = Timestamp.now()
            while try provider.current().credentials?.accessKeyId == "ONE" {
                try #require(before < end, "what has expired is no longer used")
                usleep(20_000)
                before = Timestamp.now()
            }
            #expect(before < end)
            #expect(try provider.current().credentials?.accessKeyId == "TWO")
            #expect(try server.log().count == 2)
        }
    }

    @Test func whatPassesIsAskedAgain() throws {
        let server = try FaultServer()
        try server.can(
            "/", .init(status: 503, body: "<ErrorResponse/>"), .init(raw: ""), answer("ROLE", seconds: 3600))
        let environment = ["AWS_ENDPOINT_URL_STS": server.endpoint]
        #expect(
            try find(environment, profile: "reader", credentials: Self.keys, config: Self.reader)?.accessKeyId == "ROLE"
        )
        #expect(try server.log().count == 3)
    }

    @Test func refusalsAreOneSentenceWithoutSecrets() throws {
        let server = try FaultServer()
        let refused = FaultServer.Canned(
            status: 403,
            body: """
                <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>\
                <Code>AccessDenied</Code><Message>User with \(Self.secret) may not&#10;do that</Message></Error>\
                <RequestId>1</RequestId></ErrorResponse>
                """)
        let cases: [(FaultServer.Canned, IcecoreError.Code, String)] = [
            (refused, .forbidden, "AccessDenied"), (.init(status: 500, body: "<oops"), .unavailable, "status 500"),
            (.init(body: "<html>"), .invalidData, "lacks credentials"),
            (.init(body: "<A><AccessKeyId>A</AccessKeyId></A>"), .invalidData, "lacks credentials"),
            (answer("OLD", seconds: -60), .forbidden, "expired"),
            (answer("two words", seconds: 60), .forbidden, "characters"),
            (.init(body: String(repeating: "x", count: 100_000)), .unavailable, "too long"),
        ]
        for (canned, code, part) in cases {
            try server.can("/", canned)
            let error = try icecoreError {
                _ = try find(
                    ["AWS_ENDPOINT_URL_STS": server.endpoint], profile: "reader", credentials: Self.keys,
                    config: Self.reader)
            }
            #expect(error.code == code && error.message.contains(part), "\(error)")
            #expect(!error.description.contains("SECRET") && !error.description.contains("\n"), "\(error)")
        }
        let nobody = try icecoreError {
            _ = try find(
                ["AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"], profile: "reader", credentials: Self.keys,
                config: Self.reader)
        }
        #expect(nobody.code == .unavailable && nobody.message.contains(Self.role), "\(nobody)")
    }

    @Test func profilesThatLeadNowhereAreOneSentence() throws {
        let arn = "role_arn = \(Self.role)\n"
        let deep = (0..<20).map { "[profile p\($0)]\n\(arn)source_profile = p\($0 + 1)\n" }.joined()
        let cases: [(profile: String, config: String, part: String)] = [
            (
                "a", "[profile a]\n\(arn)source_profile = b\n[profile b]\n\(arn)source_profile = a\n",
                "circle: 'a' from 'b'"
            ),
            ("a", "[profile a]\n\(arn)source_profile = a\n", "'a' has no credentials"),
            ("a", "[profile a]\n\(arn)source_profile = nobody\n", "no profile 'nobody'"),
            ("a", "[profile a]\n\(arn)source_profile = b\n[profile b]\nregion = x\n", "'b' has no credentials"),
            ("a", "[profile a]\n\(arn)", "neither source_profile nor credential_source"),
            ("a", "[profile a]\n\(arn)credential_source = Moon\n", "must be Environment"),
            ("a", "[profile a]\n\(arn)credential_source = Environment\n", "no credentials"),
            ("a", "[profile a]\n\(arn)credential_source = Environment\nsource_profile = b\n", "remove one"),
            ("a", "[profile a]\n\(arn)source_profile = b\nmfa_serial = arn\n", "mfa_serial"),
            ("a", "[profile a]\n\(arn)source_profile = b\nduration_seconds = soon\n", "duration_seconds"),
            ("a", "[profile a]\n\(arn)source_profile = b\nduration_seconds = 10\n", "duration_seconds"),
            ("p0", deep, "more than 8 profiles"),
        ]
        for (profile, config, part) in cases {
            let error = try icecoreError {
                _ = try find(["AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"], profile: profile, config: config)
            }
            #expect(error.message.contains(part), "\(error)")
        }
    }
}
