import Basics
import Gateway
import Testing
import Web

/// Signatures that AWS itself has published.
@Suite struct SignatureTests {
    private static let rules = AccessRules(
        readers: .holders([
            "AKIAIOSFODNN7EXAMPLE": AccessKey(
                secret: Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8), sessionToken: nil)
        ]), hosts: HostRule(isLoopback: false, domain: nil))
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private static let host = ("Host", "examplebucket.s3.amazonaws.com")

    private func status(_ request: WebRequest, at time: String) throws -> Int? {
        let now = try #require(Timestamp(rfc3339: time))
        return SignatureTests.rules.makeCheck().refusal(of: request, now: now)?.status
    }

    private func signed(
        _ path: String, _ query: String?, _ headers: [(String, String)], _ signature: String
    ) -> WebRequest {
        let names = (headers.map { $0.0.lowercased() } + ["host", "x-amz-content-sha256", "x-amz-date"]).sorted()
        return WebRequest(
            method: "GET", path: Array(path.utf8), query: query.map { Array($0.utf8) },
            headers: [SignatureTests.host] + headers + [
                ("x-amz-content-sha256", SignatureTests.empty), ("x-amz-date", "20130524T000000Z"),
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                        + "SignedHeaders=\(names.joined(separator: ";")),Signature=\(signature)"
                ),
            ])
    }

    @Test func publishedRequestsAreAccepted() throws {
        let object = signed(
            "/test.txt", nil, [("Range", "bytes=0-9")],
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(try status(object, at: "2013-05-24T00:00:00Z") == nil)
        #expect(try status(object, at: "2013-05-24T00:15:01Z") == 403)
        let lifecycle = signed(
            "/", "lifecycle", [], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(try status(lifecycle, at: "2013-05-24T00:00:00Z") == nil)
        let list = signed(
            "/", "max-keys=2&prefix=J", [], "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
        #expect(try status(list, at: "2013-05-24T00:00:00Z") == nil)
    }

    @Test func aPublishedURLIsAcceptedForADay() throws {
        let query =
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        let request = WebRequest(
            method: "GET", path: Array("/test.txt".utf8), query: Array(query.utf8), headers: [SignatureTests.host])
        #expect(try status(request, at: "2013-05-24T23:59:59Z") == nil)
        #expect(try status(request, at: "2013-05-25T00:00:01Z") == 403)
    }
}
