import Basics

/// A request that deletes up to a thousand keys, and its answer.
///
/// In a bucket with versions, each key gets a delete marker; nothing is deleted for good.
public enum S3Deletion {
    public static let mostKeys = 1000

    /// Whether a key can stand in the request: XML has no form for most control characters, and none for bytes that are
    /// not UTF-8.
    public static func canName(_ key: [UInt8]) -> Bool {
        key.allSatisfy { $0 >= 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }
            && String(validating: key, as: UTF8.self).map { !$0.unicodeScalars.contains("\u{fffe}") } ?? false
    }

    public static func request(bucket: String, keys: [[UInt8]]) -> S3Request {
        var xml = "<Delete><Quiet>true</Quiet>"
        for key in keys {
            xml += "<Object><Key>\(XMLText.escaped(String(decoding: key, as: UTF8.self)))</Key></Object>"
        }
        var request = S3Request(.post, bucket: bucket)
        request.query = [("delete", [])]
        let document = Array((xml + "</Delete>").utf8)
        request.payload = document
        request.headers = [("Content-Type", "application/xml")]
        request.setContentMD5(MD5.digest(document))
        return request
    }

    /// The keys that the server has refused to delete, and why. The texts are safe to print.
    public static func refused(_ xml: [UInt8]) throws(IcecoreError) -> [(key: [UInt8], reason: String)] {
        var found: [(key: [UInt8], reason: String)] = []
        var fields: [String: [UInt8]] = [:]
        try XMLReader.forEachElement(of: xml, root: "DeleteResult") { element in
            let path = element.path
            if path.count == 3, path[1] == "Error" {
                fields[element.name] = element.text
            } else if path.count == 2, element.name == "Error" {
                let code = Display.text(fields["Code"] ?? [], limit: 100)
                let message = Display.text(fields["Message"] ?? [], limit: 300)
                // Deleting what is not there is done.
                if code != "NoSuchKey" {
                    found.append((fields["Key"] ?? [], message.isEmpty ? code : "\(message) (\(code))"))
                }
                fields = [:]
            }
        }
        return found
    }
}
