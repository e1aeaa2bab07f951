import Basics
import Model
import Web

/// The parsers of requests, for fuzzing.
package enum GatewayFuzzEntryPoints {
    private static let rules = AccessRules(
        readers: .holders(["AKIA": AccessKey(secret: Array("secret".utf8), sessionToken: nil)]),
        hosts: HostRule(isLoopback: true, domain: "s3.example"))

    /// A request: a line with the method and the target, a line for each header. Tries all that reads it.
    ///
    /// - Returns: what is wrong with what came of it; nil if nothing is.
    package static func request(_ bytes: [UInt8]) -> String? {
        var lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
        let first = lines.removeFirst().split(separator: 0x20, maxSplits: 1)
        let target = first.count > 1 ? first[1] : []
        let path = target.prefix { $0 != UInt8(ascii: "?") }
        var request = WebRequest(
            method: String(decoding: first.first ?? [], as: UTF8.self), path: Array(path),
            query: path.endIndex == target.endIndex ? nil : Array(target[(path.endIndex + 1)...]))
        for line in lines {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard parts.count == 2 else { continue }
            request.headers.append(
                (String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self).trimmingSpaces))
        }
        if rules.makeCheck().refusal(of: request, now: Timestamp(milliseconds: 0)) == nil { return "it was let in" }
        do throws(S3Refusal) {
            let call = try S3Call(request, domain: "s3.example")
            if call.bucket.contains(UInt8(ascii: "/")), request.header("host") == nil { return "a bucket with a slash" }
            try call.refuseOthers()
            if !call.isHead, request.method != "GET" { return "something that writes" }
            _ = try ListingQuery(call)
            if let token = call.query["continuation-token"], let marker = ListingToken.marker(token),
                ListingToken.marker(Array(ListingToken.text(marker).utf8)) != marker
            {
                return "a token that means something else"
            }
        } catch {
            if error.status < 400 { return "an error that is none" }
        }
        for size in [0, 1, 10, .max] as [Int64] {
            if let range = try? ByteRange(request)?.range(of: size), range.isEmpty || range.upperBound > size {
                return "a range that is not in the content"
            }
        }
        _ = Conditions(request, etag: "0123456789abcdef0123456789abcdef", lastModified: Timestamp(milliseconds: 0))
        var text: [UInt8] = []
        URLCoding.appendSigned(bytes, isPath: false, to: &text)
        return URLCoding.decode(text, isQuery: false) == bytes ? nil : "an encoding that cannot be undone"
    }
}
