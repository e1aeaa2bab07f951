import ArgumentParser
import Basics
import Replica
import S3

/// How to reach a replica: it has its own server and credentials, not those of the bucket.
struct ReplicaFlags: ParsableArguments {
    @Option(help: "The region of the replica's bucket.")
    var region: String?

    @Option(
        name: .customLong("endpoint-url"),
        help: ArgumentHelp("The S3-compatible server that holds the replica.", valueName: "url"))
    var endpointURL: String?

    @Option(help: Addressing.help)
    var addressing: Addressing?

    @Option(help: "The profile in ~/.aws to read the replica's credentials from.")
    var profile: String?

    @Flag(name: .customLong("no-sign-request"), help: "Send unsigned requests to the replica.")
    var noSignRequest = false

    var isGiven: Bool {
        region != nil || endpointURL != nil || addressing != nil || profile != nil || noSignRequest
    }

    /// - Parameter limitRate: bytes a second.
    func options(jobs: Int? = nil, limitRate: Int64? = nil) -> ReplicaOptions {
        var options = ReplicaOptions(environment: Console.environment)
        options.region = region
        options.endpointURL = endpointURL
        options.addressing = addressing
        options.profile = profile
        options.noSignRequest = noSignRequest
        options.limitRate = limitRate
        if let jobs { options.jobs = jobs }
        return options
    }
}
