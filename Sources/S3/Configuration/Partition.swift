/// A partition of AWS: regions that share a domain of host names. Which there are is public knowledge (AWS's SDKs carry
/// the same table).
struct Partition: Sendable {
    /// As in ARNs.
    let name: String
    /// What the names of its regions begin with; empty for the partition of all others.
    private let prefix: String
    /// The domain of the services' hosts, and of those that have IPv6 addresses too. S3 has both in the first.
    let domain: String
    let dualStackDomain: String

    private static let standard = Partition(
        name: "aws", prefix: "", domain: "amazonaws.com", dualStackDomain: "api.aws")
    private static let others = [
        Partition(
            name: "aws-cn", prefix: "cn-", domain: "amazonaws.com.cn", dualStackDomain: "api.amazonwebservices.com.cn"),
        Partition(name: "aws-us-gov", prefix: "us-gov-", domain: "amazonaws.com", dualStackDomain: "api.aws"),
        Partition(
            name: "aws-eusc", prefix: "eusc-", domain: "amazonaws.eu", dualStackDomain: "api.amazonwebservices.eu"),
        Partition(name: "aws-iso", prefix: "us-iso-", domain: "c2s.ic.gov", dualStackDomain: "api.aws.ic.gov"),
        Partition(name: "aws-iso-b", prefix: "us-isob-", domain: "sc2s.sgov.gov", dualStackDomain: "api.aws.scloud"),
        Partition(
            name: "aws-iso-e", prefix: "eu-isoe-", domain: "cloud.adc-e.uk", dualStackDomain: "api.cloud-aws.adc-e.uk"),
        Partition(
            name: "aws-iso-f", prefix: "us-isof-", domain: "csp.hci.ic.gov", dualStackDomain: "api.aws.hci.ic.gov"),
    ]

    /// All partitions' domains.
    static let domains = Set((others + [standard]).map(\.domain))

    /// The partition of a region; a region that is not known is taken for one of the standard partition.
    static func of(region: String) -> Partition {
        let region = region.lowercased()
        return others.first { region.hasPrefix($0.prefix) } ?? standard
    }

    /// Whether S3 has hosts with FIPS 140 modules there.
    var hasFIPS: Bool { name != "aws-cn" }

    /// The host of the Security Token Service.
    func tokenServiceHost(region: String, isDualStack: Bool, isFIPS: Bool) -> String {
        // All hosts of GovCloud have such modules.
        let service = isFIPS && !(name == "aws-us-gov" && !isDualStack) ? "sts-fips" : "sts"
        return "\(service).\(region).\(isDualStack ? dualStackDomain : domain)"
    }
}
