import Basics
import Web

/// Checks signatures of version 4, in headers and in queries (presigned URLs). One thread at a time.
struct SignatureCheck {
    /// The keys of a day and a region: deriving one takes four digests.
    private var derived: [String: [UInt8]] = [:]

    private static let algorithm = "AWS4-HMAC-SHA256"
    private static let mostDerived = 1000
    private static let skew: Int64 = 15 * 60
    private static let longest: Int64 = 7 * 86400
    private static let emptyDigest = Hex.encode(SHA256.digest([]))

    /// What a request says of its signature.
    private struct SignatureClaim {
        var accessKey = ""
        /// `20260315/us-east-1/s3/aws4_request`
        var scope = ""
        var day = ""
        var region = ""
        var signedHeaders: [String] = []
        var signature = ""
        var date = ""
        /// In seconds; nil: no presigned URL.
        var expires: Int64?
        var token: [UInt8]?
        var payload = ""
    }

    mutating func check(_ request: WebRequest, _ keys: [String: AccessKey], now: Timestamp) throws(S3Refusal) {
        guard let query = QueryItems(request.query) else {
            throw S3Refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
        }
        let claim = try SignatureCheck.claim(request, query)
        try SignatureCheck.checkTime(claim, now)
        guard let key = keys[claim.accessKey] else {
            throw S3Refusal(
                403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
                details: [("AWSAccessKeyId", Array(claim.accessKey.utf8.prefix(200)))])
        }
        guard SignatureCheck.isEqual(claim.token ?? [], key.sessionToken ?? []) else {
            throw S3Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        }
        let canonical = try SignatureCheck.canonical(request, query, claim)
        let text = "\(SignatureCheck.algorithm)\n\(claim.date)\n\(claim.scope)\n\(Hex.encode(SHA256.digest(canonical)))"
        let signature = SHA256.authenticationCode(Array(text.utf8), key: signingKey(claim, key))
        guard SignatureCheck.isEqual(Array(Hex.encode(signature).utf8), Array(claim.signature.utf8)) else {
            throw S3Refusal(
                403, "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and "
                    + "signing method.")
        }
    }

    private mutating func signingKey(_ claim: SignatureClaim, _ key: AccessKey) -> [UInt8] {
        let name = "\(claim.accessKey)/\(claim.day)/\(claim.region)"
        if let known = derived[name] { return known }
        var code = Array("AWS4".utf8) + key.secret
        for part in [claim.day, claim.region, "s3", "aws4_request"] {
            code = SHA256.authenticationCode(Array(part.utf8), key: code)
        }
        if derived.count >= SignatureCheck.mostDerived { derived.removeAll() }
        derived[name] = code
        return code
    }

    /// In a time that does not depend on where they differ.
    static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    // MARK: - What is claimed

    private static func claim(_ request: WebRequest, _ query: QueryItems) throws(S3Refusal) -> SignatureClaim {
        let header = request.header("authorization")
        if query.contains("X-Amz-Signature") || query.contains("X-Amz-Algorithm") {
            guard header == nil else {
                throw S3Refusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
            }
            return try presigned(query)
        }
        let isVersion2 = header?.hasPrefix("AWS ") ?? (query.contains("AWSAccessKeyId") && query.contains("Signature"))
        if isVersion2 {
            throw S3Refusal(
                400, "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256: signature "
                    + "version s3v4 ('signature_version': 's3v4'; 'aws configure set default.s3.signature_version s3v4')."
            )
        }
        guard let header else {
            if request.headers.contains(where: { $0.name.lowercased() == "authorization" }) { throw malformed }
            throw S3Refusal(403, "AccessDenied", "Access Denied: this server wants signed requests.")
        }
        return try signed(header, request)
    }

    private static let malformed = S3Refusal(
        400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid.")

    private static func signed(_ header: String, _ request: WebRequest) throws(S3Refusal) -> SignatureClaim {
        guard header.hasPrefix(algorithm), header.utf8.count > algorithm.utf8.count,
            header.dropFirst(algorithm.utf8.count).first == " "
        else {
            throw S3Refusal(
                400, "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 (s3v4).")
        }
        var fields: [String: String] = [:]
        for part in header.dropFirst(algorithm.utf8.count).split(separator: ",") {
            let part = part.trimmingSpaces
            guard let equals = part.firstIndex(of: "=") else { throw malformed }
            let name = String(part[..<equals])
            guard fields[name] == nil else { throw malformed }
            fields[name] = String(part[part.index(after: equals)...])
        }
        guard let credential = fields["Credential"], let headers = fields["SignedHeaders"],
            let signature = fields["Signature"]
        else { throw malformed }
        var claim = try claim(credential, headers, signature)
        if let date = request.header("x-amz-date") {
            claim.date = date
        } else if let date = request.header("date"), let time = Timestamp(http: date) {
            claim.date = basic(time)
        } else {
            throw S3Refusal(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        }
        claim.token = request.header("x-amz-security-token").map { Array($0.utf8) }
        guard let payload = request.header("x-amz-content-sha256") else {
            throw S3Refusal(
                400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        }
        let isDigest = payload.utf8.count == 64 && Hex.decode(payload.utf8) != nil
        guard isDigest || payload == "UNSIGNED-PAYLOAD" || payload.hasPrefix("STREAMING-") else {
            throw invalidPayload
        }
        let reads = request.method == "GET" || request.method == "HEAD"
        // No request that is answered has a body.
        if isDigest, reads, payload != emptyDigest { throw invalidPayload }
        claim.payload = payload
        return claim
    }

    private static let invalidPayload = S3Refusal(
        400, "XAmzContentSHA256Mismatch",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or the SHA-256 of the body")

    private static func presigned(_ query: QueryItems) throws(S3Refusal) -> SignatureClaim {
        func wrong(_ what: String) -> S3Refusal {
            S3Refusal(400, "AuthorizationQueryParametersError", what)
        }
        let names: [StaticString] = [
            "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ]
        for name in names {
            let count = query.items.count { $0.name.elementsEqual(name.description.utf8) }
            if count != 1 { throw wrong("Query-string authentication requires \(name), once.") }
        }
        guard query.text("X-Amz-Algorithm") == algorithm else {
            throw wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\" (s3v4)")
        }
        var claim = try claim(
            query.text("X-Amz-Credential") ?? "", query.text("X-Amz-SignedHeaders") ?? "",
            query.text("X-Amz-Signature") ?? "")
        claim.date = query.text("X-Amz-Date") ?? ""
        guard let expires = Int64(query.text("X-Amz-Expires") ?? ""), (1...longest).contains(expires) else {
            throw wrong("X-Amz-Expires must be a number of seconds from 1 to 604800 (a week)")
        }
        claim.expires = expires
        claim.token = query["X-Amz-Security-Token"]
        claim.payload = query.text("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD"
        return claim
    }

    private static func claim(
        _ credential: String, _ headers: String, _ signature: String
    ) throws(S3Refusal) -> SignatureClaim {
        // The id of a key may hold a slash.
        let parts = credential.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 5, parts[parts.count - 1] == "aws4_request", parts[parts.count - 2] == "s3",
            parts[parts.count - 4].utf8.count == 8, !parts[parts.count - 3].isEmpty
        else {
            throw S3Refusal(
                400, "AuthorizationHeaderMalformed",
                "The credential is malformed; expecting \"<key>/YYYYMMDD/REGION/s3/aws4_request\".")
        }
        var claim = SignatureClaim()
        claim.accessKey = parts.dropLast(4).joined(separator: "/")
        claim.scope = parts.suffix(4).joined(separator: "/")
        claim.day = parts[parts.count - 4]
        claim.region = parts[parts.count - 3]
        claim.signedHeaders = headers.split(separator: ";").map(String.init)
        claim.signature = signature
        return claim
    }

    // MARK: - Times

    private static func checkTime(_ claim: SignatureClaim, _ now: Timestamp) throws(S3Refusal) {
        guard let time = time(claim.date), claim.date.hasPrefix(claim.day) else {
            throw S3Refusal(
                403, "AccessDenied",
                "AWS authentication requires a valid date, 20260315T100000Z, that the credential's scope begins with")
        }
        let (second, current) = (time.milliseconds / 1000, now.milliseconds / 1000)
        if let expires = claim.expires {
            if second > current + skew { throw S3Refusal(403, "AccessDenied", "Request is not valid yet") }
            if current > second + expires { throw S3Refusal(403, "AccessDenied", "Request has expired") }
        } else if abs(current - second) > skew {
            throw S3Refusal(
                403, "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                details: [("ServerTime", Array(Timestamp(milliseconds: current * 1000).rfc3339.utf8))])
        }
    }

    /// Reads `20260315T100000Z`.
    private static func time(_ text: String) -> Timestamp? {
        let digits = Array(text.utf8)
        guard digits.count == 16, digits[8] == UInt8(ascii: "T"), digits[15] == UInt8(ascii: "Z") else { return nil }
        func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        return Timestamp(
            rfc3339: "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z")
    }

    private static func basic(_ time: Timestamp) -> String {
        String(time.rfc3339.prefix(19)).filter { $0 != "-" && $0 != ":" } + "Z"
    }

    // MARK: - The canonical request

    private static func canonical(
        _ request: WebRequest, _ query: QueryItems, _ claim: SignatureClaim
    ) throws(S3Refusal) -> [UInt8] {
        guard let path = URLCoding.decode(request.path, isQuery: false) else {
            throw S3Refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
        }
        var text = Array("\(request.method)\n".utf8)
        URLCoding.appendSigned(path, isPath: true, to: &text)
        text.append(0x0a)
        var items: [(name: [UInt8], value: [UInt8])] = []
        for item in query.items where !(claim.expires != nil && item.name.elementsEqual("X-Amz-Signature".utf8)) {
            var (name, value): ([UInt8], [UInt8]) = ([], [])
            URLCoding.appendSigned(item.name, isPath: false, to: &name)
            URLCoding.appendSigned(item.value, isPath: false, to: &value)
            items.append((name, value))
        }
        items.sort {
            $0.name == $1.name
                ? $0.value.lexicographicallyPrecedes($1.value) : $0.name.lexicographicallyPrecedes($1.name)
        }
        for (place, item) in items.enumerated() {
            if place > 0 { text.append(UInt8(ascii: "&")) }
            text += item.name + [UInt8(ascii: "=")] + item.value
        }
        text.append(0x0a)
        try appendHeaders(request, claim, to: &text)
        text += Array("\n\(claim.signedHeaders.joined(separator: ";"))\n\(claim.payload)".utf8)
        return text
    }

    private static func appendHeaders(
        _ request: WebRequest, _ claim: SignatureClaim, to text: inout [UInt8]
    ) throws(S3Refusal) {
        let signed = Set(claim.signedHeaders)
        guard signed.contains("host"), signed.count == claim.signedHeaders.count else {
            throw S3Refusal(403, "SignatureDoesNotMatch", "The header 'host' must be signed, and each header once.")
        }
        var values: [String: [String]] = [:]
        for (name, value) in request.headers {
            let name = name.lowercased()
            if signed.contains(name) {
                values[name, default: []].append(value.split(separator: " ").joined(separator: " "))
            } else if name.hasPrefix("x-amz-") {
                throw S3Refusal(
                    403, "AccessDenied", "There were headers present in the request which were not signed",
                    details: [("HeadersNotSigned", Array(name.utf8))])
            }
        }
        for name in claim.signedHeaders {
            guard let found = values[name] else {
                throw S3Refusal(403, "SignatureDoesNotMatch", "A header that was signed is not in the request.")
            }
            text += Array("\(name):\(found.joined(separator: ","))\n".utf8)
        }
    }
}
