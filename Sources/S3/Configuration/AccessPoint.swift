import Basics

/// An access point of S3 that stands for a bucket, named by its ARN: `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`.
public struct AccessPoint: Hashable, Sendable {
    public let region: String
    let account: String
    let name: String

    /// Whether somebody means an ARN, right or wrong.
    static func isARN(_ text: String) -> Bool { text.hasPrefix("arn:") }

    /// - Throws: `usage` for anything that is no ARN of such an access point, `unsupported` for a relative of one.
    public init(arn: String) throws(IcecoreError) {
        let shown = Display.text(arn, limit: 200)
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 6, parts[0] == "arn", parts[1] == "aws" || parts[1].hasPrefix("aws-") else {
            throw IcecoreError(.usage, "'\(shown)' is not the ARN of an access point")
        }
        if ["s3-outposts", "s3-object-lambda", "s3express"].contains(parts[2]) {
            throw IcecoreError(.unsupported, "'\(shown)': access points of the service \(parts[2]) are not supported")
        }
        let resource = parts[5].split(omittingEmptySubsequences: false) { $0 == "/" || $0 == ":" }.map(String.init)
        guard parts[2] == "s3", resource.count == 2, resource[0] == "accesspoint" else {
            throw IcecoreError(
                .usage, "'\(shown)' is not of the form arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME")
        }
        guard !parts[3].isEmpty else {
            throw IcecoreError(
                .unsupported,
                "'\(shown)' is a Multi-Region Access Point, which is not supported: name one of its buckets")
        }
        guard S3Configuration.isRegion(parts[3]), Self.isLabel(parts[4]), Self.isLabel(resource[1]),
            S3Location.isHostLabel("\(resource[1])-\(parts[4])")
        else {
            throw IcecoreError(
                .usage, "'\(shown)' has a region, an account or a name that an access point cannot have")
        }
        region = parts[3]
        account = parts[4]
        name = resource[1]
    }

    private static func isLabel(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// What precedes the service's name in the host's.
    var label: String { "\(name)-\(account)" }
}
