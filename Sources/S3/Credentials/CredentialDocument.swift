import Basics

/// The JSON that programs and metadata services answer with credentials in.
struct CredentialDocument: Decodable {
    var version: Int?
    var accessKeyId: String?
    var secretAccessKey: String?
    /// `credential_process` says SessionToken, the metadata services say Token.
    var sessionToken: String?
    var token: String?
    var expiration: String?

    enum CodingKeys: String, CodingKey {
        case version = "Version"
        case accessKeyId = "AccessKeyId"
        case secretAccessKey = "SecretAccessKey"
        case sessionToken = "SessionToken"
        case token = "Token"
        case expiration = "Expiration"
    }

    /// - Parameter origin: where the answer came from, for errors: "the credential_process of profile 'x'".
    static func credentials(_ bytes: [UInt8], from origin: String) throws -> Credentials {
        // The decoder's own error would quote its input, which is secret.
        guard let document = try? UntrustedJSON.decode(CredentialDocument.self, from: Array(bytes)) else {
            throw IcecoreError(.invalidData, "\(origin) did not answer with JSON of the expected form")
        }
        guard let accessKey = document.accessKeyId, let secretKey = document.secretAccessKey, !accessKey.isEmpty,
            !secretKey.isEmpty
        else { throw IcecoreError(.invalidData, "the answer of \(origin) lacks AccessKeyId or SecretAccessKey") }
        var expiration: Timestamp?
        if let text = document.expiration, !text.isEmpty {
            guard let instant = Timestamp(rfc3339: text) else {
                throw IcecoreError(
                    .invalidData, "the answer of \(origin) has an Expiration that is not an RFC 3339 time")
            }
            if instant <= Timestamp.now() {
                throw IcecoreError(.forbidden, "\(origin) answered with credentials that have already expired")
            }
            expiration = instant
        }
        return Credentials(
            accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: document.sessionToken ?? document.token,
            expiration: expiration)
    }
}
