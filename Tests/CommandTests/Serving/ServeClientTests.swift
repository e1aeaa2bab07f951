import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// What clients of S3 get from a store, beside what the bucket itself gives them.
@Suite struct ServeClientTests {
    /// A store of the bucket with everything, served.
    private func use(_ body: (Scenario, RealBucket, ServingProgram) throws -> Void) throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(bucket.name, inventory: "file://\(bucket.directory)")
            try scenario.succeed("sync")
            try body(scenario, bucket, scenario.serve())
        }
    }

    @Test func everythingIsByteForByteWhatTheBucketGives() throws {
        try use { scenario, bucket, served in
            let result = try scenario.script("compare.py", [bucket.server.endpoint, served.endpoint, bucket.name])
            let differences = result["differences"] as? [String] ?? []
            #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
            #expect((result["versions"] as? Int ?? 0) > 100)
        }
    }

    @Test func awsAndS5cmdCopyWhatIsThere() throws {
        try use { scenario, bucket, served in
            // In parts that they ask for at once, and read whole.
            let large = "\(scenario.directory)/large"
            let words = ["--endpoint-url", served.endpoint, "s3", "cp", "--no-progress"]
            let copied = try scenario.client("aws", words + ["s3://\(bucket.name)/parts/usual", large])
            #expect(copied.status == 0, "\(copied)")
            #expect(try Files.read(large, limit: 1 << 26) == RealBucket.usualParts)
            let second = "\(scenario.directory)/second"
            let date = "\(bucket.name)--\(bucket.inventory.name.lowercased())"
            let s5cmd = try scenario.client(
                "s5cmd", ["--endpoint-url", served.endpoint, "cp", "s3://\(date)/parts/odd", second])
            #expect(s5cmd.status == 0, "\(s5cmd)")
            #expect(try Files.read(second, limit: 1 << 26) == RealBucket.oddParts)
            let listed = try scenario.client("aws", ["--endpoint-url", served.endpoint, "s3", "ls"])
            #expect(listed.text.contains(date), "\(listed)")
            let presigned = try scenario.client(
                "aws", ["--endpoint-url", served.endpoint, "s3", "presign", "s3://\(bucket.name)/parts/odd"])
            let url = presigned.text.trimmingCharacters(in: .whitespacesAndNewlines)
            let fetched = try scenario.client("/usr/bin/curl", ["-sSf", url])
            #expect(fetched.stdout == RealBucket.oddParts, "\(fetched.stderr)")
        }
    }

    @Test func rcloneFindsTheSameTreeAsInAMount() throws {
        try use { scenario, bucket, served in
            let access = [
                "--s3-provider", "Other", "--s3-endpoint", served.endpoint, "--s3-access-key-id", "any",
                "--s3-secret-access-key", "any", "--s3-encoding", "None", "--local-encoding", "None",
            ]
            // Without what rclone takes for directories or cannot name.
            let keys = bucket.view.keys.filter { key in
                key.count < 200 && key.components.allSatisfy { !["", ".", ".."].contains($0) }
                    && !key.bytes.contains { $0 < 32 || $0 == 127 }
            }
            let run = try scenario.client(
                "/usr/bin/rclone", ["lsf", "-R", "--files-only"] + access + [":s3:\(bucket.name)"])
            #expect(run.status == 0, "\(run)")
            let lines = Set(run.text.split(separator: "\n").map { ByteString(String($0)) })
            #expect(Set(keys).subtracting(lines) == [])
            // The bucket says fractions of a second, an inventory does not.
            let last = try #require(bucket.rows.map { Version($0).lastModified }.max())
            let at = Timestamp(milliseconds: last.milliseconds + 1000)
            for s3 in [bucket.server.endpoint, served.endpoint] {
                let isServed = s3 == served.endpoint
                let keys = isServed ? ["any", "any"] : [bucket.server.accessKey, bucket.server.secretKey]
                let past = try scenario.client(
                    "/usr/bin/rclone",
                    [
                        "lsf", "-R", "--files-only", "--s3-version-at", at.rfc3339, "--s3-provider", "Other",
                        "--s3-endpoint", s3, "--s3-access-key-id", keys[0], "--s3-secret-access-key", keys[1],
                        "--s3-encoding", "None", ":s3:\(bucket.name)",
                    ])
                #expect(past.status == 0, "\(past)")
                let shown = Set(past.text.split(separator: "\n").map { ByteString(String($0)) })
                #expect(shown == lines, "at \(s3): \(shown.symmetricDifference(lines))")
            }
            let check = try scenario.client(
                "/usr/bin/rclone",
                ["check", "--download", "--include", "/same/**"] + access
                    + [":s3:\(bucket.name)", ":s3:\(bucket.name)--\(bucket.inventory.name.lowercased())"])
            #expect(check.status == 0, "\(check)")
        }
    }
}
