import Basics

extension S3Request {
    /// Starts a multipart upload: ``S3UploadAnswer/id(_:)`` reads the answer.
    ///
    /// - Parameter headers: headers of the future object, such as `x-amz-tagging`.
    public static func beginningUpload(
        bucket: String, key: [UInt8], headers: [(name: String, value: String)] = []
    ) -> S3Request {
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploads", [])]
        request.headers = headers
        request.payload = []
        return request
    }

    /// Sends a part of a multipart upload, whose bytes the transfer supplies.
    ///
    /// - Parameter number: from 1.
    public static func part(_ number: Int, ofUpload id: String, bucket: String, key: [UInt8]) -> S3Request {
        var request = S3Request(.put, bucket: bucket, key: key)
        request.query = [("partNumber", Array(String(number).utf8)), ("uploadId", Array(id.utf8))]
        return request
    }

    /// Completes a multipart upload: ``S3UploadAnswer/checkCompletion(_:)`` judges the answer.
    ///
    /// - Parameter etags: the ETags of the parts 1, 2, …, as the server gave them.
    public static func completingUpload(_ id: String, bucket: String, key: [UInt8], etags: [String]) -> S3Request {
        var xml = "<CompleteMultipartUpload>"
        for (index, etag) in etags.enumerated() {
            xml += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(XMLText.escaped(etag))\"</ETag></Part>"
        }
        xml += "</CompleteMultipartUpload>"
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        request.headers = [("Content-Type", "application/xml")]
        request.payload = Array(xml.utf8)
        return request
    }

    /// Aborts a multipart upload.
    public static func abortingUpload(_ id: String, bucket: String, key: [UInt8]) -> S3Request {
        var request = S3Request(.delete, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        return request
    }
}
