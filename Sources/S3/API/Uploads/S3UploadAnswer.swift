import Basics

/// What servers answer to the requests of an upload in parts, and to copies.
public enum S3UploadAnswer {
    /// The id of an upload that was begun.
    public static func id(_ xml: [UInt8]) throws(IcecoreError) -> String {
        guard let id = try XMLFields.read(xml, root: "InitiateMultipartUploadResult")["UploadId"], !id.isEmpty else {
            throw IcecoreError(.invalidData, "the server started an upload without an id")
        }
        return id
    }

    /// Expects an upload to be complete. Assembling the parts takes long, so S3 answers 200 before it knows the outcome.
    public static func checkCompletion(_ xml: [UInt8]) throws {
        try expect("CompleteMultipartUploadResult", xml, "the server did not say that the upload is complete")
    }

    /// The ETag of the object that an upload has become, without quotation marks; nil where the server does not say.
    public static func etag(ofCompletion xml: [UInt8]) -> String? {
        etag(xml, root: "CompleteMultipartUploadResult")
    }

    static func expect(_ root: String, _ xml: [UInt8], _ missing: String) throws {
        if (try? XMLFields.read(xml, root: root)) != nil { return }
        let fields = (try? XMLFields.read(xml, root: "Error")) ?? [:]
        throw S3Failure(
            .response, status: 500, code: Display.text(fields["Code"] ?? "", limit: 100),
            message: Display.text(fields["Message"] ?? missing, limit: 300))
    }

    static func etag(_ xml: [UInt8], root: String) -> String? {
        let text = (try? XMLFields.read(xml, root: root))?["ETag"].map { $0.filter { $0 != "\"" } }
        return text?.isEmpty == false ? text : nil
    }

    /// The ETag of an object made of these parts; nil if their ETags are not MD5s.
    public static func etag(ofParts etags: [String]) -> String? {
        var whole = MD5()
        for etag in etags {
            guard etag.utf8.count == 32, let digest = Hex.decode(Array(etag.utf8)) else { return nil }
            digest.withUnsafeBytes { whole.update($0) }
        }
        return "\(Hex.encode(whole.finalize()))-\(etags.count)"
    }
}
