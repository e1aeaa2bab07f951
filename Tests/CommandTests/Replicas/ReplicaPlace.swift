import Basics
import Foundation
import Testbed
import Testing

/// A place for replicas: a directory, or a bucket of a server.
struct ReplicaPlace {
    let url: String
    /// What reaches it: flags of the command, and credentials.
    let flags: [String]
    let environment: [String: String]
    let server: S3Server?

    static func directory(_ scenario: Scenario, _ name: String = "replica") -> ReplicaPlace {
        ReplicaPlace(url: "file://\(scenario.directory)/\(name)", flags: [], environment: [:], server: nil)
    }

    /// A bucket of its own at a server.
    static func bucket(_ server: S3Server, versioned: Bool = false) throws -> ReplicaPlace {
        let bucket = "replica-\(UInt32.random(in: 0 ... .max))"
        try S3Admin(server).createBucket(bucket, versioned: versioned)
        return ReplicaPlace(
            url: "s3://\(bucket)/some/prefix", flags: ["--endpoint-url", server.endpoint],
            environment: server.environment.merging(["AWS_SESSION_TOKEN": ""]) { $1 }, server: server)
    }

    var bucketName: String { String(url.dropFirst(5).prefix { $0 != "/" }) }
}
