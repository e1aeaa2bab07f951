import Basics
import Foundation
import Testbed
import Testing

/// Servers and credentials that stand in ~/.aws only, on servers that check them.
@Suite struct ProfileTests {
    private func withBucket(
        _ server: RGWServer, _ body: (Scenario, _ bucket: String, _ inventory: String) throws -> Void
    ) throws {
        let admin = try S3Admin(server)
        let bucket = "profile-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        try admin.put(bucket, "key", bytes("content"))
        try Scenario.use(server) { scenario in
            for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                scenario.environment[name] = nil
            }
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try body(scenario, bucket, "file://\(scenario.directory)/inventories")
        }
    }

    private func write(_ scenario: Scenario, _ server: S3Server, _ lines: String) throws {
        try Files.createDirectory("\(scenario.directory)/.aws")
        try Files.replace(
            "\(scenario.directory)/.aws/config",
            with: bytes(
                """
                [profile lab]
                aws_access_key_id = \(server.accessKey)
                aws_secret_access_key = \(server.secretKey)
                region = us-east-1
                \(lines)

                """))
    }

    private static let ways = [
        "endpoint_url = URL", "services = lab\n[services lab]\ns3 =\n  endpoint_url = URL",
        "endpoint_url = http://127.0.0.1:9\nservices = lab\n[services lab]\ns3 =\n  endpoint_url = URL",
        "endpoint_url = NAMED\ns3 =\n  addressing_style = virtual",
    ]

    @Test(arguments: ways)
    func theServerOfAProfileGetsTheRequests(lines: String) throws {
        let server = try RGWServer.shared()
        try withBucket(server) { scenario, bucket, inventory in
            try write(
                scenario, server,
                lines.replacing("URL", with: server.endpoint)
                    .replacing("NAMED", with: "http://localhost:\(server.port)"))
            try scenario.initialize(bucket, inventory: inventory, "--profile", "lab")
            try scenario.succeed("sync")
            #expect(try scenario.succeed("cat", "key").text == "content")
        }
    }

    @Test func aSectionOfServicesThatIsNotThereSendsNothingToAmazon() throws {
        let server = try RGWServer.shared()
        try withBucket(server) { scenario, bucket, inventory in
            try write(scenario, server, "services = lab")
            let words = ["--bucket", "s3://\(bucket)", "--inventory", inventory, "--profile", "lab"]
            let refused = try scenario.run(["init", scenario.store] + words)
            #expect(refused.status == 1 && refused.complaints.count == 1, "\(refused)")
            #expect(refused.stderr.contains("'lab'"), "\(refused)")
            // The section goes away later.
            try write(scenario, server, "services = lab\n\n[services lab]\ns3 =\n  endpoint_url = \(server.endpoint)")
            try scenario.initialize(bucket, inventory: inventory, "--profile", "lab")
            try write(scenario, server, "services = lab")
            let run = try scenario.run("sync")
            #expect(run.status == 1 && run.complaints.count == 1 && run.stderr.contains("'lab'"), "\(run)")
        }
    }

    /// A machine whose metadata service has an IPv6 address only, made of a network of the test's own.
    @Test func aMachineHandsOutCredentialsOverIPv6() throws {
        let script = """
            import http.server, json, socket, subprocess, sys, threading
            for line in ("link set lo up", "-6 address add fd00:ec2::254/128 dev lo nodad"):
                subprocess.run(["/usr/sbin/ip"] + line.split(), check=True)
            seen = []
            class Metadata(http.server.BaseHTTPRequestHandler):
                roles = "/latest/meta-data/iam/security-credentials/"
                def answer(self):
                    body = {"/latest/api/token": "token", self.roles: "role", self.roles + "role": json.dumps({
                        "Code": "Success", "AccessKeyId": "SIXKEY", "SecretAccessKey": "s", "Token": "t",
                        "Expiration": "2099-01-01T00:00:00Z"})}.get(self.path)
                    self.send_response(200 if body else 404)
                    self.end_headers()
                    self.wfile.write((body or "").encode())
                do_GET = do_PUT = answer
            class Objects(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    seen.append(self.headers.get("Authorization"))
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"content")
            class Six(http.server.ThreadingHTTPServer):
                address_family = socket.AF_INET6
            for server in (Six(("fd00:ec2::254", 80), Metadata), http.server.ThreadingHTTPServer(("127.0.0.1", 80), Objects)):
                threading.Thread(target=server.serve_forever, daemon=True).start()
            status = subprocess.run(sys.argv[1:]).returncode
            print("signed:", seen[0] if seen else None, file=sys.stderr)
            sys.exit(status)
            """
        try Scenario.withBucket { scenario in
            for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                scenario.environment[name] = nil
            }
            scenario.environment["AWS_EC2_METADATA_DISABLED"] = nil
            scenario.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1"
            try scenario.add("2024-03-01T01-00Z", [InventoryFolder.Row("key", bytes("content"))])
            let run = try scenario.run(
                under: ["/usr/bin/unshare", "-rn", "/usr/bin/python3", "-c", script],
                ["sync", "--store", scenario.store],
                environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"])
            #expect(run.status == 0, "\(run)")
            #expect(run.stderr.contains("Credential=SIXKEY/"), "\(run)")
        }
    }
}
