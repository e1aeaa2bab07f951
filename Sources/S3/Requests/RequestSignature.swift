import Basics

/// AWS's signature of a request (SigV4), for the few requests that libcurl would sign wrongly.
///
/// libcurl sorts headers by their whole lines, and so puts `x-amz-meta-size-unit: …` before `x-amz-meta-size: …`: a hyphen,
/// a point or a digit comes before the colon. The signature wants the names in order, as later versions of libcurl do. Nor
/// does it sign a header without a value.
struct RequestSignature {
    let credentials: Credentials
    let region: String
    var time = Timestamp.now()

    /// Whether these headers would be signed in the wrong order, or not all of them.
    ///
    /// - Parameter lines: `Name: value`.
    static func isNeeded(_ lines: [String]) -> Bool {
        if lines.contains(where: { $0.hasSuffix(": ") }) { return true }
        guard lines.count > 1 else { return false }
        let names = lines.map { name(of: $0) }.sorted { $0.lexicographicallyPrecedes($1) }
        for (name, next) in zip(names, names.dropFirst())
        where next.count > name.count && next.starts(with: name) && next[name.count] < UInt8(ascii: ":") {
            return true
        }
        return false
    }

    private static func name(of line: String) -> [UInt8] {
        line.utf8.prefix { $0 != UInt8(ascii: ":") }.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
    }

    /// The headers with which the request is signed, in addition to those given.
    ///
    /// - Parameters:
    ///   - url: as it is sent.
    ///   - lines: all other headers, `x-amz-content-sha256` among them.
    ///   - digest: that header's value.
    func headers(_ method: String, _ url: [UInt8], _ lines: [String], digest: String) -> [String] {
        let date = "x-amz-date: \(stamp)"
        let (host, path, query) = RequestSignature.split(url)
        var headers = (lines + [date, "host: \(host)"]).map { line in
            (name: RequestSignature.name(of: line), value: RequestSignature.value(of: line))
        }
        headers.sort { $0.name.lexicographicallyPrecedes($1.name) }
        let names = Array(headers.map(\.name).joined(separator: [UInt8(ascii: ";")]))
        var canonical = Array("\(method)\n".utf8) + path + [0x0a] + query + [0x0a]
        for header in headers { canonical += header.name + [UInt8(ascii: ":")] + header.value + [0x0a] }
        canonical += [0x0a] + names + [0x0a] + Array(digest.utf8)
        let scope = "\(stamp.prefix(8))/\(region)/s3/aws4_request"
        let toSign = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(Hex.encode(SHA256.digest(canonical)))"
        var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for part in ["\(stamp.prefix(8))", region, "s3", "aws4_request"] {
            key = SHA256.authenticationCode(Array(part.utf8), key: key)
        }
        let signature = Hex.encode(SHA256.authenticationCode(Array(toSign.utf8), key: key))
        return [
            date,
            "Authorization: AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyId)/\(scope), "
                + "SignedHeaders=\(String(decoding: names, as: UTF8.self)), Signature=\(signature)",
        ]
    }

    /// `20240301T010000Z`
    private var stamp: String {
        time.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }

    /// A header's value without white space at its ends, and with single spaces in it.
    private static func value(of line: String) -> [UInt8] {
        let raw = line.utf8.drop { $0 != UInt8(ascii: ":") }.dropFirst().map { $0 == 0x09 ? 0x20 : $0 }
        var value: [UInt8] = []
        for byte in raw where byte != 0x20 || (!value.isEmpty && value.last != 0x20) { value.append(byte) }
        if value.last == 0x20 { value.removeLast() }
        return value
    }

    private static func split(_ url: [UInt8]) -> (host: String, path: [UInt8], query: [UInt8]) {
        let rest = url.firstRange(of: Array("://".utf8)).map { url[$0.upperBound...] } ?? url[...]
        let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        let target = rest[end...].prefix { $0 != 0 }
        let mark = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        return (
            String(decoding: rest[..<end], as: UTF8.self), Array(target[..<mark]), Array(target[mark...].dropFirst())
        )
    }
}
