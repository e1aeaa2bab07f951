import Basics
import Glibc

/// The credentials that a container's or a virtual machine's host provides over HTTP.
struct MetadataCredentials {
    private let environment: [String: String]
    private let settings: [String: String]

    init(_ configuration: S3Configuration) {
        environment = configuration.environment
        settings = configuration.settings
    }

    private func setting(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// From the address in the environment of a container (ECS, EKS); nil without one.
    func fromContainer() throws -> Credentials? {
        let origin = "the container's credentials endpoint"
        let url: String
        if let relative = setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            guard relative.hasPrefix("/"), isPlain(relative) else {
                throw IcecoreError(.usage, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path")
            }
            url = "http://169.254.170.2\(relative)"
        } else if let full = setting("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            let address = full.prefix { $0 != "?" && $0 != "#" }
            guard isPlain(full), let endpoint = Endpoint(String(address)), isTrusted(endpoint) else {
                throw IcecoreError(
                    .usage, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine")
            }
            url = full
        } else {
            return nil
        }
        var headers: [String] = []
        if let token = try authorizationToken() { headers.append("Authorization: \(token)") }
        let answer = try BlockingRequest.send(url: url, headers: headers, connectMilliseconds: 2000, milliseconds: 5000)
        guard let answer else { throw IcecoreError(.unavailable, "\(origin) does not answer") }
        guard answer.status == 200 else {
            throw IcecoreError(.forbidden, "\(origin) answered with status \(answer.status)")
        }
        return try CredentialDocument.credentials(answer.body, from: origin)
    }

    private func authorizationToken() throws -> String? {
        var token = setting("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if let name = setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            let path = S3Configuration.file(name, environment)
            token = String(decoding: try Files.read(path, limit: 65536), as: UTF8.self)
            while token?.last?.isNewline == true { token?.removeLast() }
        }
        guard let token else { return nil }
        guard token.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), !token.isEmpty else {
            throw IcecoreError(
                .usage, "the container's authorization token contains characters that a header cannot have")
        }
        return token
    }

    private func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }

    /// Plain HTTP is only allowed to addresses that never leave the machine (the rule of AWS's SDKs).
    private func isTrusted(_ endpoint: Endpoint) -> Bool {
        if endpoint.scheme == "https" { return true }
        let host = endpoint.host
        let isLoopback =
            host == "localhost" || host == "::1"
            || (host.hasPrefix("127.") && host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || ($0 >= 48 && $0 <= 57) })
        return isLoopback || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(host)
    }

    /// The address of EC2's metadata service, and whether somebody has chosen it.
    private func instanceService() throws(IcecoreError) -> (url: String, isChosen: Bool) {
        if let given = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? settings["ec2_metadata_service_endpoint"] {
            guard let endpoint = Endpoint(given) else {
                throw IcecoreError(.usage, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL")
            }
            return (endpoint.description, true)
        }
        let mode =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") ?? settings["ec2_metadata_service_endpoint_mode"]
            ?? (settings["imds_use_ipv6"]?.lowercased() == "true" ? "IPv6" : "IPv4")
        switch mode.lowercased() {
        case "ipv4": return ("http://169.254.169.254", false)
        case "ipv6": return ("http://[fd00:ec2::254]", true)
        default:
            throw IcecoreError(.usage, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6")
        }
    }

    /// From EC2's metadata service, by version 2 of its protocol only; nil without such a service or a role.
    ///
    /// - Parameter note: told why there are none.
    func fromInstance(_ note: (String) -> Void = { _ in }) throws -> Credentials? {
        if environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true" {
            note("off (AWS_EC2_METADATA_DISABLED)")
            return nil
        }
        let origin = "the EC2 metadata service"
        let (base, isChosen) = try instanceService()
        var timeLimit = 1000
        if !isChosen, let vendor = try? Files.read("/sys/class/dmi/id/sys_vendor", limit: 4096),
            !String(decoding: vendor, as: UTF8.self).contains("Amazon")
        {
            // Not a machine of AWS's, so do not wait long.
            timeLimit = 150
        }
        let session = try BlockingRequest.send(
            url: "\(base)/latest/api/token", method: .custom("PUT", payload: []),
            headers: ["X-aws-ec2-metadata-token-ttl-seconds: 21600"],
            connectMilliseconds: timeLimit, milliseconds: 2 * timeLimit)
        guard let session else {
            note("no answer from \(base), in a container perhaps for its hop limit")
            return nil
        }
        guard session.status == 200, let token = line(session.body) else {
            note("\(base) answers with status \(session.status)")
            return nil
        }
        let headers = ["X-aws-ec2-metadata-token: \(token)"]
        let path = "\(base)/latest/meta-data/iam/security-credentials/"
        let roles = try BlockingRequest.send(url: path, headers: headers, connectMilliseconds: 1000, milliseconds: 2000)
        guard let roles, roles.status == 200, let role = line(roles.body) else {
            note("the machine has no role")
            return nil
        }
        var url = Array(path.utf8)
        PercentEncoding.append(role.utf8, keepingSlashes: false, to: &url)
        let answer = try BlockingRequest.send(
            url: String(decoding: url, as: UTF8.self), headers: headers, connectMilliseconds: 1000, milliseconds: 2000)
        guard let answer, answer.status == 200 else {
            throw IcecoreError(.forbidden, "\(origin) names a role, but does not give its credentials")
        }
        return try CredentialDocument.credentials(answer.body, from: origin)
    }

    /// The first line of a body; nil if it cannot be part of a header.
    private func line(_ body: [UInt8]) -> String? {
        let first = body.prefix { $0 != 0x0a && $0 != 0x0d }
        guard !first.isEmpty, first.count <= 4096, first.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        return String(decoding: first, as: UTF8.self)
    }
}
