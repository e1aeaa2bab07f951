import Basics
import Foundation
import Synchronization
import Testbed
import Testing

@testable import S3

@Suite(.serialized) struct CredentialTests {
    private static let secret = "SECRETSECRET/0123456789+abcdefghijklmnop"
    private static let token = "TOKENTOKENTOKENTOKENTOKEN=="

    /// Writes the two files of a home directory and finds the credentials that a configuration there leads to.
    private func find(
        _ environment: [String: String] = [:], profile: String? = nil, credentials: String? = nil,
        config: String? = nil
    ) throws -> Credentials? {
        try Testbed.withDirectory { home in
            try Files.createDirectory("\(home)/.aws")
            if let credentials { try Files.replace("\(home)/.aws/credentials", with: bytes(credentials)) }
            if let config { try Files.replace("\(home)/.aws/config", with: bytes(config)) }
            var all = environment
            all["HOME"] = home
            if all["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == nil, all["AWS_EC2_METADATA_DISABLED"] == nil {
                all["AWS_EC2_METADATA_DISABLED"] = "true"
            }
            let configuration = try S3Configuration(profile: profile, environment: all)
            return try CredentialsProvider(configuration).current().credentials
        }
    }

    private func process(_ command: String, _ environment: [String: String] = [:]) throws -> Credentials? {
        try find(
            environment.merging(["PATH": "/usr/bin:/bin"]) { first, _ in first }, profile: "p",
            config: "[profile p]\ncredential_process = \(command)\n")
    }

    private func json(_ more: String = "") -> String {
        #"{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"\#(Self.secret)","SessionToken":"\#(Self.token)"\#(more)}"#
    }

    @Test func nothingAnywhereMeansUnsigned() throws {
        #expect(try find() == nil)
        #expect(try find(credentials: "", config: "[default]\nregion = eu-west-1\n") == nil)
    }

    @Test func theEnvironmentComesFirst() throws {
        let files =
            "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n[q]\naws_access_key_id = Q\naws_secret_access_key = s\n"
        let environment = [
            "AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": Self.secret, "AWS_SESSION_TOKEN": Self.token,
        ]
        let found = try find(environment, credentials: files)
        #expect(found?.accessKeyId == "ENV")
        #expect(found?.sessionToken == Self.token)
        #expect(try find(credentials: files)?.accessKeyId == "FILE")
        #expect(try find(["AWS_PROFILE": "q"], credentials: files)?.accessKeyId == "Q")
        // Typed beats forgotten.
        #expect(try find(environment, profile: "q", credentials: files)?.accessKeyId == "Q")
        let half = try icecoreError { _ = try find(["AWS_ACCESS_KEY_ID": "ENV"]) }
        #expect(half.message.contains("AWS_SECRET_ACCESS_KEY"))
    }

    @Test func profileFilesAreReadAsTheyAreWritten() throws {
        let config = """
            # a comment
            [default]
            region=eu-central-1
            s3 =
                addressing_style = path
                aws_access_key_id = NOT
            [ profile  spaced ]
            Aws_Access_Key_Id=AK
            aws_secret_access_key = a=b=c
            [sso-session x]
            [profile people]
            sso_session = x
            garbage without equals sign
            """
        #expect(try find(config: config) == nil)
        #expect(try find(profile: "spaced", config: config)?.secretAccessKey == "a=b=c")
        let people = try icecoreError { _ = try find(profile: "people", config: config) }
        #expect(people.code == .unsupported)
        #expect(people.message.contains("credential_process"))
        // The credentials file counts for more.
        let credentials = "[spaced]\r\naws_access_key_id = C\r\naws_secret_access_key = s\r\n"
        #expect(try find(profile: "spaced", credentials: credentials, config: config)?.accessKeyId == "C")
        let configuration = try Testbed.withDirectory { directory in
            try Files.replace("\(directory)/c", with: bytes(config))
            return try S3Configuration(environment: ["AWS_CONFIG_FILE": "\(directory)/c"])
        }
        #expect(configuration.region == "eu-central-1")
    }

    @Test func aProfileOfAWSLoginIsNamedWithTheWayRound() throws {
        let config = "[profile console]\nlogin_session = arn:aws:iam::123456789012:user/me\nregion = eu-west-1\n"
        let error = try icecoreError { _ = try find(profile: "console", config: config) }
        #expect(error.code == .unsupported)
        for part in ["'console'", "aws login", "aws configure export-credentials --profile console --format process"] {
            #expect(error.message.contains(part), "\(error)")
        }
        // Where there are keys, they count.
        let keys = "[console]\naws_access_key_id = AK\naws_secret_access_key = s\n"
        #expect(try find(profile: "console", credentials: keys, config: config)?.accessKeyId == "AK")
    }

    @Test func whereCredentialsWereLookedForIsKnown() throws {
        let server = try FaultServer()
        try server.can("/bucket/k", .init(status: 403, body: "<Error><Code>AccessDenied</Code></Error>"))
        func refusal(_ environment: [String: String?], unsigned: Bool = false) throws -> (S3Failure, String?) {
            let client = try S3Client(server, environment, unsigned: unsigned)
            let found = try failure { _ = try client.get(bucket: "bucket", key: bytes("k"), limit: 10) }
            return (found, client.unsignedRefusal)
        }
        let (first, said) = try refusal(["HOME": "/home/nobody"])
        #expect(said == first.advice && first.asError.message.hasSuffix(first.advice))
        for part in [
            "no credentials were found", "the environment", "profile 'default' of /home/nobody/.aws/credentials and",
            "AWS_EC2_METADATA_DISABLED", "aws configure", "--profile", "--no-sign-request",
        ] { #expect(first.advice.contains(part), "\(part): \(first.advice)") }
        #expect(!first.description.contains("no credentials"), "a reason is written down for each object")
        for (environment, part) in [
            ("http://127.0.0.1:9", "no answer from http://127.0.0.1:9"), (server.endpoint, "answers with status 404"),
        ] {
            let (found, _) = try refusal(
                ["AWS_EC2_METADATA_SERVICE_ENDPOINT": environment, "AWS_EC2_METADATA_DISABLED": nil])
            #expect(found.advice.contains(part), "\(found.advice)")
        }
        // Neither where it is meant so, nor where there are some.
        let meant = try refusal([:], unsigned: true)
        #expect(meant.0.advice.isEmpty && meant.1 == nil)
        let signed = try refusal(["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s"])
        #expect(signed.0.advice.isEmpty && signed.1 == nil)
    }

    @Test func aProfileThatIsNotThereIsAnError() throws {
        for (environment, profile) in [([:], "nobody"), (["AWS_PROFILE": "nobody"], nil)]
            as [([String: String], String?)]
        {
            let error = try icecoreError { _ = try find(environment, profile: profile, config: "[default]\n") }
            #expect(error.code == .notFound)
            #expect(error.message.contains("'nobody'"))
        }
    }

    @Test func aProcessGivesCredentials() throws {
        let found = try process("echo '\(json())'")
        #expect(found?.accessKeyId == "AK")
        #expect(found?.secretAccessKey == Self.secret)
        #expect(found?.sessionToken == Self.token)
        #expect(found?.expiration == nil)
        let later = try process("echo '\(json(#","Expiration":"2099-01-01T00:00:00Z""#))'")
        #expect(later?.expiration?.rfc3339 == "2099-01-01T00:00:00Z")
    }

    @Test func aProcessThatFailsIsOneSentenceWithoutSecrets() throws {
        let cases: [(command: String, part: String)] = [
            ("echo \(Self.secret) >&2; echo \(Self.secret); exit 3", "exit status 3"),
            ("/no/such/program", "exit status 127"), ("kill -9 $$", "signal 9"),
            ("echo \(Self.secret)", "JSON"), ("true", "JSON"), ("echo '{}'", "lacks"), ("echo '[1'", "JSON"),
            (#"echo '{"AccessKeyId":"AK","SecretAccessKey":7,"x":"\#(Self.secret)"}'"#, "JSON"),
            ("echo '\(json(#","Expiration":"2001-01-01T00:00:00Z""#))'", "expired"),
            ("echo '\(json(#","Expiration":"tomorrow""#))'", "Expiration"),
            ("yes \(Self.secret)", "too much"), ("head -c 500000 /dev/zero", "JSON"),
            (#"printf '{"AccessKeyId":"A\\nB","SecretAccessKey":"\#(Self.secret)"}'"#, "characters"),
        ]
        for (command, part) in cases {
            let error = try icecoreError { _ = try process(command) }
            #expect(error.description.contains(part), "\(command): \(error)")
            #expect(!error.description.contains("SECRET") && !error.description.contains("TOKEN"))
            #expect(!error.description.contains("\n"))
        }
    }

    @Test func aProcessThatHangsIsEndedWithWhatItStarted() throws {
        try Testbed.withDirectory { directory in
            for command in [
                "sleep 1000 & echo $! > \(directory)/pid; wait",
                "exec >&-; sleep 1000 & echo $! > \(directory)/pid; wait",
            ] {
                let start = MonotonicClock.milliseconds()
                let error = try icecoreError { _ = try process(command, ["ICECORE_CREDENTIAL_PROCESS_TIMEOUT": "1"]) }
                #expect(error.message.contains("did not finish within 1 seconds"))
                #expect(MonotonicClock.milliseconds() - start < Patience.milliseconds(5000))
                let text = String(decoding: try Files.read("\(directory)/pid", limit: 100), as: UTF8.self)
                let child = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
                // Killed; on a busy machine it takes its time to die, and init may not have reaped it yet.
                func isGone() -> Bool {
                    guard let state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8) else {
                        return true
                    }
                    return state.contains(") Z ") || state.contains(") X ")
                }
                while !isGone(), MonotonicClock.milliseconds() - start < 60_000 { usleep(20_000) }
                #expect(isGone())
            }
        }
    }

    @Test func credentialsAreRenewedBeforeTheyExpire() throws {
        let count = Mutex(0)
        let clock = ManualClock()
        let provider = CredentialsProvider(
            source: {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                return Credentials(accessKeyId: "AK\(number)", secretAccessKey: "s", expiration: clock.now(plus: 400))
            }, clock: { clock.now() })
        var seen: Set<String> = []
        while seen.count < 5, clock.elapsed < 60_000 {
            let credentials = try #require(try provider.current().credentials)
            #expect((credentials.expiration ?? .distantPast) > clock.now())
            seen.insert(credentials.accessKeyId)
            clock.advance(milliseconds: 1)
        }
        #expect(seen.count == 5)
        #expect(clock.elapsed > 4 * 200, "each serves for most of its time")
        #expect(count.withLock { $0 } == seen.count)
    }

    @Test func aProcessWhoseAnswerExpiresIsRunAgainBeforeItDoes() throws {
        try Testbed.withDirectory { home in
            let clock = ManualClock()
            let answer = #"{"Version":1,"AccessKeyId":"AK'$n'","SecretAccessKey":"s","Expiration":"'$e'"}"#
            try Files.createDirectory("\(home)/.aws")
            try Files.replace(
                "\(home)/.aws/config",
                with: bytes(
                    """
                    [profile p]
                    credential_process = echo >> \(home)/runs; n=$(wc -l < \(home)/runs); \
                    e=$(cat \(home)/expiration); echo '\(answer)'
                    """))
            let configuration = try S3Configuration(profile: "p", environment: ["HOME": home, "PATH": "/usr/bin:/bin"])
            let provider = CredentialsProvider(configuration, clock: { clock.now() })
            var seen: Set<String> = []
            while seen.count < 3, clock.elapsed < 60_000 {
                try Files.replace("\(home)/expiration", with: bytes(clock.now(plus: 2000).rfc3339))
                let credentials = try #require(try provider.current().credentials)
                #expect((credentials.expiration ?? .distantPast) > clock.now())
                seen.insert(credentials.accessKeyId)
                clock.advance(milliseconds: 50)
            }
            #expect(seen.count == 3, "\(seen)")
            #expect(clock.elapsed > 2000, "each answer serves for a second and a half")
            let runs = try Files.read("\(home)/runs", limit: 1000)
            #expect(runs.count == seen.count)
        }
    }

    @Test func whatHasNotExpiredServesUntilRenewalSucceeds() throws {
        let count = Mutex(0)
        let clock = ManualClock()
        let provider = CredentialsProvider(
            source: {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                if number == 2 { throw TestbedError("not now") }
                return Credentials(accessKeyId: "AK\(number)", secretAccessKey: "s", expiration: clock.now(plus: 5000))
            }, clock: { clock.now() })
        #expect(try provider.current().credentials?.accessKeyId == "AK1")
        clock.advance(milliseconds: 3900)
        #expect(try provider.current().credentials?.accessKeyId == "AK1")
        clock.advance(milliseconds: 1200)
        #expect(try provider.current().credentials?.accessKeyId == "AK3")
    }

    @Test func aTransferThatIsToldOfExpiryGoesOnWithNewCredentials() throws {
        let server = try FaultServer()
        let expired = FaultServer.Canned(status: 400, body: "<Error><Code>ExpiredToken</Code></Error>")
        try server.can("/bucket/k", expired, .init(body: "here"))
        try server.can("/bucket/never", expired)
        let count = Mutex(0)
        let provider = CredentialsProvider(source: {
            Credentials(
                accessKeyId: "AK\(count.withLock { $0 += 1; return min($0, 2) })", secretAccessKey: Self.secret,
                sessionToken: Self.token)
        })
        let client = S3Client(try S3Configuration(environment: server.environment), credentials: provider)
        #expect(try client.get(bucket: "bucket", key: bytes("k"), limit: 10).bytes == bytes("here"))
        let log = try server.log()
        #expect(log.count == 2)
        #expect(log.first?.header("Authorization")?.contains("Credential=AK1/") == true)
        #expect(log.last?.header("Authorization")?.contains("Credential=AK2/") == true)
        #expect(log.last?.header("x-amz-security-token") == Self.token)
        // Where renewal brings nothing new, that is the end.
        let failed = try failure { _ = try client.get(bucket: "bucket", key: bytes("never"), limit: 10) }
        #expect(failed.code == "ExpiredToken")
    }

    @Test func containersHandOutCredentials() throws {
        let server = try FaultServer()
        let document =
            #"{"AccessKeyId":"CK","SecretAccessKey":"\#(Self.secret)","Token":"\#(Self.token)","Expiration":"2099-01-01T00:00:00Z"}"#
        try server.can("/creds?id=1", .init(body: document))
        let url = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.endpoint)/creds?id=1"]
        let found = try find(url.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"]) { first, _ in first })
        #expect(found?.accessKeyId == "CK")
        #expect(found?.sessionToken == Self.token)
        #expect(try server.log().first?.header("Authorization") == "Basic abc")
        let inFile = try Testbed.withDirectory { directory in
            try Files.replace("\(directory)/token", with: bytes("from file\n"))
            return try find(
                url.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "\(directory)/token"]) { first, _ in first })
        }
        #expect(inFile?.accessKeyId == "CK")
        #expect(try server.log().last?.header("Authorization") == "from file")

        for elsewhere in [
            "http://example.com/x", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/", "http://u@127.0.0.1/",
        ] {
            let error = try icecoreError { _ = try find(["AWS_CONTAINER_CREDENTIALS_FULL_URI": elsewhere]) }
            #expect(error.code == .usage)
        }
        let evil = url.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nX: y"]) { first, _ in first }
        #expect(try icecoreError { _ = try find(evil) }.code == .usage)
        try server.can("/creds?id=1", .init(status: 500, body: Self.secret))
        let error = try icecoreError { _ = try find(url) }
        #expect(error.message.contains("500") && !error.message.contains("SECRET"))
    }

    @Test func machinesHandOutCredentials() throws {
        let server = try FaultServer()
        let environment = ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.endpoint + "/"]
        let roles = "/latest/meta-data/iam/security-credentials/"
        #expect(try find(environment) == nil)
        try server.can("/latest/api/token", .init(body: "session-1"))
        #expect(try find(environment) == nil)
        try server.can(roles, .init(body: "my-role\n"))
        try server.can(
            roles + "my-role",
            .init(
                body:
                    #"{"Code":"Success","AccessKeyId":"IK","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#
            ))
        #expect(try find(environment)?.accessKeyId == "IK")
        let log = try server.log()
        #expect(log.contains { $0.method == "PUT" && $0.header("X-aws-ec2-metadata-token-ttl-seconds") == "21600" })
        #expect(log.last?.header("X-aws-ec2-metadata-token") == "session-1")
        #expect(try find(environment.merging(["AWS_EC2_METADATA_DISABLED": "true"]) { first, _ in first }) == nil)
        #expect(try find(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"]) == nil)
        // The profile may name it as well.
        let profile = "[default]\nec2_metadata_service_endpoint = \(server.endpoint)\n"
        #expect(try find(["AWS_EC2_METADATA_DISABLED": ""], config: profile)?.accessKeyId == "IK")
        let wrong = ["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5", "AWS_EC2_METADATA_DISABLED": ""]
        #expect(try icecoreError { _ = try find(wrong) }.code == .usage)
    }

    @Test func credentialsArePrintedNowhere() throws {
        let credentials = Credentials(accessKeyId: "AKIDAKID", secretAccessKey: Self.secret, sessionToken: Self.token)
        var dumped = ""
        dump(credentials, to: &dumped)
        dump(["x": credentials], to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\([credentials])"] {
            #expect(!text.contains("SECRET") && !text.contains("TOKEN") && !text.contains("AKID"))
        }
    }
}
