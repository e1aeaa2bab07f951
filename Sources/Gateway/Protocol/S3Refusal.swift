import Basics
import Synchronization
import Web

/// An error as S3 answers it.
struct S3Refusal: Error {
    var status: Int
    var code: String
    var message: String
    /// Further elements of the document.
    var details: [(name: StaticString, value: [UInt8])] = []
    var headers: [(name: String, value: String)] = []

    init(
        _ status: Int, _ code: String, _ message: String, details: [(name: StaticString, value: [UInt8])] = [],
        headers: [(name: String, value: String)] = []
    ) {
        (self.status, self.code, self.message) = (status, code, message)
        (self.details, self.headers) = (details, headers)
    }

    static func invalidArgument(_ message: String, _ name: String, _ value: [UInt8]) -> S3Refusal {
        S3Refusal(
            400, "InvalidArgument", message, details: [("ArgumentName", Array(name.utf8)), ("ArgumentValue", value)])
    }

    static func noSuchBucket(_ name: [UInt8]) -> S3Refusal {
        S3Refusal(404, "NoSuchBucket", "The specified bucket does not exist", details: [("BucketName", name)])
    }

    static func noSuchKey(_ key: [UInt8], _ headers: [(name: String, value: String)] = []) -> S3Refusal {
        S3Refusal(
            404, "NoSuchKey", "The specified key does not exist.", details: [("Key", key)], headers: headers)
    }

    static func noSuchVersion(_ key: [UInt8], _ versionId: [UInt8]) -> S3Refusal {
        S3Refusal(
            404, "NoSuchVersion", "The specified version does not exist.",
            details: [("Key", key), ("VersionId", versionId)])
    }

    /// For what is not there, by its name.
    static func notImplemented(_ what: String) -> S3Refusal {
        S3Refusal(501, "NotImplemented", "\(what) is not implemented by this server: it only gives out what is kept.")
    }

    static let readOnly = S3Refusal(
        405, "MethodNotAllowed", "The specified method is not allowed against this resource: this server only reads.",
        headers: [("Allow", "GET, HEAD")])
}

/// What every answer of the S3 side carries.
struct AnswerFrame {
    let requestId: String

    private static let start = UInt64.random(in: 0 ... .max)
    private static let count = Atomic<UInt64>(0)

    init() {
        // Multiplied by an odd number, they all differ. A random one each would be a system call each.
        let number = AnswerFrame.count.add(1, ordering: .relaxed).newValue
        requestId = AnswerFrame.digits(AnswerFrame.start &+ number &* 0x9e37_79b9_7f4a_7c15)
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }

    /// A browser must not take what a stranger has stored for a page of this server's origin.
    var headers: [(name: String, value: String)] {
        [
            ("x-amz-request-id", requestId), ("x-amz-id-2", requestId), ("Content-Security-Policy", "sandbox"),
            ("X-Content-Type-Options", "nosniff"),
        ]
    }

    func document(_ bytes: [UInt8]) -> WebResponse {
        WebResponse(status: 200, headers: headers + [("Content-Type", "application/xml")], body: .bytes(bytes))
    }

    func response(_ refusal: S3Refusal) -> WebResponse {
        var xml = XMLWriter("Error", hasNamespace: false)
        xml.element("Code", refusal.code)
        xml.element("Message", refusal.message)
        for (name, value) in refusal.details { xml.element(name, value) }
        xml.element("RequestId", requestId)
        xml.element("HostId", requestId)
        return WebResponse(
            status: refusal.status, headers: headers + [("Content-Type", "application/xml")] + refusal.headers,
            body: .bytes(xml.end("Error")))
    }
}
