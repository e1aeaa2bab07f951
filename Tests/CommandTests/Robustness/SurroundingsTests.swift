import Basics
import Foundation
import Testbed
import Testing

/// Credentials of services and daemons, which have neither a home nor the directory in which they were started.
@Suite struct SurroundingsTests {
    typealias Row = InventoryFolder.Row

    private static let row = Row("key", bytes("content"))
    private static let keys = "[default]\naws_access_key_id = FOUNDKEY\naws_secret_access_key = s\n"

    /// A store that knows one object, without credentials in the environment.
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                scenario.environment[name] = nil
            }
            try scenario.add("2024-03-02T01-00Z", [Self.row])
            try scenario.succeed("sync", "--metadata-only")
            try scenario.server.can(scenario.target(Self.row), .init(status: 200, body: "content"))
            try body(scenario)
        }
    }

    private func expectSigned(_ scenario: Scenario, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let signatures = try scenario.server.log().map { $0.header("Authorization") ?? "none" }
        #expect(!signatures.isEmpty, sourceLocation: sourceLocation)
        for signature in signatures {
            #expect(signature.contains("Credential=FOUNDKEY/"), sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: ["", "empty"])
    func withoutHOMETheUserDatabaseSaysWhereTheFilesAre(home: String) throws {
        try use { scenario in
            let place = "\(scenario.directory)/home"
            try Files.createDirectories("\(place)/.aws")
            try Files.replace("\(place)/.aws/credentials", with: bytes(Self.keys))
            try Files.replace("\(scenario.directory)/passwd", with: bytes("root:x:0:0::\(place):/bin/sh\n"))
            scenario.environment["HOME"] = nil
            let script = (home.isEmpty ? "" : "export HOME=; ") + "mount --bind $0/passwd /etc/passwd && exec \"$@\""
            let prefix = ["/usr/bin/unshare", "-rm", "/bin/sh", "-c", script, scenario.directory]
            let run = try scenario.run(under: prefix, "sync")
            #expect(run.status == 0, "\(run)")
            try expectSigned(scenario)

            // A replica's cache has its place there, too.
            let replica = "file://\(scenario.directory)/replica"
            try scenario.succeed("push", replica)
            let list = try scenario.run(under: prefix, ["ls", "--replica", replica])
            #expect(list.status == 0 && list.text.contains("key"), "\(list)")
            #expect(Files.exists("\(place)/.cache/icecore"))
        }
    }

    private static let relative = [
        (["AWS_SHARED_CREDENTIALS_FILE": "keys.ini"], "a file"),
        (["AWS_CONFIG_FILE": "config.ini"], "a program"),
    ]

    @Test(arguments: relative)
    func whatIsRelativeStartsWhereTheMountWasMade(environment: [String: String], what: String) throws {
        try use { scenario in
            let place = "\(scenario.directory)/here"
            try Files.createDirectory(place)
            try Files.replace("\(place)/keys.ini", with: bytes(Self.keys))
            try Files.replace(
                "\(place)/config.ini", with: bytes("[default]\ncredential_process = ./keys.sh\n"))
            try Files.replace(
                "\(place)/keys.sh",
                with: bytes(
                    """
                    #!/bin/sh
                    echo '{"Version": 1, "AccessKeyId": "FOUNDKEY", "SecretAccessKey": "s"}'
                    """))
            chmod("\(place)/keys.sh", 0o755)
            let point = "\(scenario.directory)/mnt"
            try Files.createDirectory(point)
            scenario.noteMount(point)
            let run = try scenario.run(
                ["mount", point, "--store", scenario.store],
                environment: environment.merging(["PWD": "/nowhere"]) { $1 }, in: place)
            #expect(run.status == 0, "\(run)")
            #expect((try? Files.read("\(point)/key", limit: 100)) == bytes("content"), "\(what)")
            try expectSigned(scenario)
        }
    }
}
