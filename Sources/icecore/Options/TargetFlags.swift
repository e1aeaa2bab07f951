import ArgumentParser
import Restore
import S3

/// How to reach the bucket that a restore writes to: it has its own server and credentials, not those of the source.
struct TargetFlags: ParsableArguments {
    @Option(help: "The region of the target's bucket.")
    var region: String?

    @Option(
        name: .customLong("endpoint-url"),
        help: ArgumentHelp("The S3-compatible server that has the target.", valueName: "url"))
    var endpointURL: String?

    @Option(help: Addressing.help)
    var addressing: Addressing?

    @Option(help: "The profile in ~/.aws to read the target's credentials from.")
    var profile: String?

    @Flag(name: .customLong("no-sign-request"), help: "Send unsigned requests to the target.")
    var noSignRequest = false

    /// - Parameter limitRate: bytes a second.
    func access(limitRate: Int64?) -> RestoreTarget.Access {
        var access = RestoreTarget.Access(environment: Console.environment)
        access.region = region
        access.endpointURL = endpointURL
        access.addressing = addressing
        access.profile = profile
        access.noSignRequest = noSignRequest
        access.limitRate = limitRate
        return access
    }
}
