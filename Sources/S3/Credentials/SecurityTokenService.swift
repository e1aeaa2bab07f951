import Basics
import Glibc

/// A client for AWS's Security Token Service, which gives out credentials of roles.
struct SecurityTokenService {
    struct Role {
        var arn: String
        var sessionName: String
        var externalId: String?
        var durationSeconds: Int?
    }

    private static let attempts = 3

    let endpoint: Endpoint
    let region: String
    let certificateBundle: String?

    /// - Throws: `usage` for an invalid endpoint.
    init(_ configuration: S3Configuration, settings: [String: String]) throws(IcecoreError) {
        let own = settings["region"].flatMap { S3Configuration.isRegion($0) ? $0.lowercased() : nil }
        let region = own ?? configuration.region.lowercased()
        let configured = try S3Configuration.configuredEndpoint(
            of: "sts", configuration.environment, settings, configuration.profiles)
        let host = Partition.of(region: region).tokenServiceHost(
            region: region, isDualStack: configuration.isDualStack, isFIPS: configuration.isFIPS)
        guard let endpoint = Endpoint(configured ?? "https://\(host)") else {
            // The text itself may contain a password.
            throw IcecoreError(.usage, "AWS_ENDPOINT_URL_STS is not of the form http[s]://HOST[:PORT]")
        }
        self.endpoint = endpoint
        self.region = region
        certificateBundle = configuration.certificateBundle
    }

    /// Credentials of a role, for others that may assume it.
    func assume(_ role: Role, with source: Credentials) throws -> Credentials {
        try credentials(role, action: "AssumeRole", more: [], signer: source, secrets: source.secrets)
    }

    /// Credentials of a role, for the token of an identity provider.
    func assume(_ role: Role, webIdentityToken token: String) throws -> Credentials {
        try credentials(
            role, action: "AssumeRoleWithWebIdentity", more: [("WebIdentityToken", token)], signer: nil,
            secrets: [token])
    }

    private func credentials(
        _ role: Role, action: String, more: [(String, String)], signer: Credentials?, secrets: [String]
    ) throws -> Credentials {
        var fields = [
            ("Action", action), ("Version", "2011-06-15"), ("RoleArn", role.arn),
            ("RoleSessionName", role.sessionName),
        ]
        if let externalId = role.externalId, signer != nil { fields.append(("ExternalId", externalId)) }
        if let seconds = role.durationSeconds { fields.append(("DurationSeconds", "\(seconds)")) }
        let form = SecurityTokenService.form(fields + more)
        let what = "cannot assume the role '\(Display.text(role.arn, limit: 200))'"
        let answer: BlockingRequest.Answer
        do {
            answer = try send(form, signer)
        } catch let error as IcecoreError where error.code == .unavailable {
            throw IcecoreError(.unavailable, "\(what): \(endpoint.authority): \(error.message)")
        }
        // Without an XML body, the status has to do.
        let texts = (try? SecurityTokenService.texts(answer.body)) ?? [:]
        guard (200..<300).contains(answer.status) else {
            let code = clean(texts["Code"], secrets, limit: 100)
            let message = clean(texts["Message"], secrets, limit: 300)
            var reason = message.isEmpty ? "\(endpoint.authority) answered with status \(answer.status)" : message
            if !code.isEmpty { reason += " (\(code))" }
            throw IcecoreError(answer.status >= 500 ? .unavailable : .forbidden, "\(what): \(reason)")
        }
        guard let accessKey = texts["AccessKeyId"], let secretKey = texts["SecretAccessKey"],
            let token = texts["SessionToken"], let expiration = Timestamp(rfc3339: texts["Expiration"] ?? "")
        else { throw IcecoreError(.invalidData, "\(what): the answer of \(endpoint.authority) lacks credentials") }
        return Credentials(
            accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: token, expiration: expiration)
    }

    private func clean(_ text: String?, _ secrets: [String], limit: Int) -> String {
        guard var text else { return "" }
        for secret in secrets where secret.utf8.count >= 4 { text = text.replacing(secret, with: "…") }
        return Display.text(text, limit: limit)
    }

    /// Retries after transient failures.
    private func send(_ form: [UInt8], _ signer: Credentials?) throws -> BlockingRequest.Answer {
        var attempt = 1
        while true {
            do {
                let answer = try BlockingRequest.post(
                    form: form, to: endpoint, signer: signer.map { ($0, "aws:amz:\(region):sts") },
                    certificateBundle: certificateBundle, milliseconds: 20_000)
                if (answer.status < 500 && answer.status != 429) || attempt == Self.attempts { return answer }
            } catch {
                if error.code != .unavailable || attempt == Self.attempts { throw error }
            }
            for _ in 0..<2 * attempt {
                usleep(100_000)
                try Interruption.check()
            }
            attempt += 1
        }
    }

    private static func form(_ fields: [(String, String)]) -> [UInt8] {
        var form: [UInt8] = []
        for (name, value) in fields {
            if !form.isEmpty { form.append(UInt8(ascii: "&")) }
            form += Array(name.utf8)
            form.append(UInt8(ascii: "="))
            PercentEncoding.append(value.utf8, keepingSlashes: false, to: &form)
        }
        return form
    }

    /// The texts of all elements without children, by name; the first of equal names counts.
    static func texts(_ xml: [UInt8]) throws(IcecoreError) -> [String: String] {
        var texts: [String: String] = [:]
        try XMLReader.forEachElement(of: xml) { element in
            if element.isLeaf, texts[element.name] == nil { texts[element.name] = element.string }
        }
        return texts
    }
}
