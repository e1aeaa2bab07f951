import Basics

extension S3Request {
    /// What is copied inside S3, by server and without a byte travelling.
    public struct CopySource: Sendable {
        public var bucket: String
        public var key: [UInt8]
        public var versionId: String?
        /// Only if it still has this ETag (without quotation marks).
        public var ifMatch: String?

        public init(bucket: String, key: [UInt8], versionId: String? = nil, ifMatch: String? = nil) {
            (self.bucket, self.key, self.versionId, self.ifMatch) = (bucket, key, versionId, ifMatch)
        }

        fileprivate var headers: [(name: String, value: String)] {
            var text = Array(bucket.utf8) + [UInt8(ascii: "/")]
            PercentEncoding.append(key, keepingSlashes: true, to: &text)
            if let versionId {
                text += Array("?versionId=".utf8)
                PercentEncoding.append(versionId.utf8, keepingSlashes: false, to: &text)
            }
            var headers = [(name: "x-amz-copy-source", value: String(decoding: text, as: UTF8.self))]
            if let ifMatch { headers.append(("x-amz-copy-source-if-match", ifMatch)) }
            return headers
        }
    }

    /// Makes an object by copying another, of at most 5 GiB: ``S3UploadAnswer/checkCopy(_:)`` judges the answer.
    ///
    /// - Parameter headers: what the object gets in place of the headers, metadata and tags of the other; nil: those.
    public static func copying(
        _ source: CopySource, bucket: String, key: [UInt8], headers: [(name: String, value: String)]?
    ) -> S3Request {
        var request = S3Request(.put, bucket: bucket, key: key)
        request.payload = []
        request.headers = source.headers
        if let headers {
            request.headers +=
                [("x-amz-metadata-directive", "REPLACE"), ("x-amz-tagging-directive", "REPLACE")] + headers
        }
        return request
    }

    /// Makes a part of a multipart upload by copying.
    ///
    /// - Parameters:
    ///   - number: from 1.
    ///   - bytes: of the other object; nil: all.
    public static func copyingPart(
        _ number: Int, ofUpload id: String, _ source: CopySource, _ bytes: Range<Int64>?, bucket: String, key: [UInt8]
    ) -> S3Request {
        var request = S3Request.part(number, ofUpload: id, bucket: bucket, key: key)
        request.payload = []
        request.headers = source.headers
        if let bytes {
            request.headers.append(("x-amz-copy-source-range", "bytes=\(bytes.lowerBound)-\(bytes.upperBound - 1)"))
        }
        return request
    }
}

extension S3UploadAnswer {
    /// Expects a copy to be complete. Copying takes long, so S3 answers 200 before it knows the outcome.
    public static func checkCopy(_ xml: [UInt8]) throws {
        try expect("CopyObjectResult", xml, "the server did not say that the object is copied")
    }

    /// The same for a part.
    public static func checkCopyOfPart(_ xml: [UInt8]) throws {
        try expect("CopyPartResult", xml, "the server did not say that the part is copied")
    }

    /// The ETag of a copied object or part, without quotation marks; nil where the server does not say.
    public static func etag(ofCopy xml: [UInt8]) -> String? {
        etag(xml, root: "CopyObjectResult") ?? etag(xml, root: "CopyPartResult")
    }
}
