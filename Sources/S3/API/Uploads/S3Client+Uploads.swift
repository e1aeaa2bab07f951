import Basics

extension S3Client {
    /// Starts a multipart upload.
    ///
    /// - Parameter headers: headers of the future object, such as `x-amz-tagging`.
    public func createUpload(bucket: String, key: [UInt8], headers: [(name: String, value: String)] = []) throws
        -> S3NewUpload
    {
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploads", [])]
        request.headers = headers
        request.payload = []
        let transfer = CollectingTransfer(request, limit: 1 << 20)
        try run(transfer)
        let answer = try transfer.object()
        guard
            let id = try XMLFields.read(answer.bytes, root: "InitiateMultipartUploadResult")["UploadId"], !id.isEmpty
        else { throw IcecoreError(.invalidData, "the server started an upload without an id") }
        return S3NewUpload(id: id, mayHaveTwin: transfer.progress.attempts > 1)
    }

    /// Completes a multipart upload.
    ///
    /// - Parameters:
    ///   - etags: the ETags of the parts 1, 2, …, as the server gave them.
    ///   - size: the size of all parts together.
    public func completeUpload(bucket: String, key: [UInt8], id: String, etags: [String], size: Int64) throws {
        do {
            try completeUpload(bucket: bucket, key: key, id: id, etags: etags)
        } catch let failure as S3Failure where failure.code == "NoSuchUpload" {
            // If an answer was lost and the request retried, a server may no longer know the upload it completed.
            let head = try? head(bucket: bucket, key: key)
            guard let head, head.contentLength == size, let etag = S3Client.etag(ofParts: etags), head.etag == etag
            else { throw failure }
        }
    }

    /// The ETag of an object made of these parts; nil if their ETags are not MD5s.
    private static func etag(ofParts etags: [String]) -> String? {
        var whole = MD5()
        for etag in etags {
            guard etag.count == 32, let digest = Hex.decode(Array(etag.utf8)) else { return nil }
            digest.withUnsafeBytes { whole.update($0) }
        }
        return "\(Hex.encode(whole.finalize()))-\(etags.count)"
    }

    private func completeUpload(bucket: String, key: [UInt8], id: String, etags: [String]) throws {
        var xml = "<CompleteMultipartUpload>"
        for (index, etag) in etags.enumerated() {
            xml += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(XMLText.escaped(etag))\"</ETag></Part>"
        }
        xml += "</CompleteMultipartUpload>"
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        request.headers = [("Content-Type", "application/xml")]
        request.payload = Array(xml.utf8)
        // Assembling the parts takes long, so S3 answers 200 before it knows the outcome.
        let transfer = CollectingTransfer(request, limit: 1 << 20) { bytes in
            if (try? XMLFields.read(bytes, root: "CompleteMultipartUploadResult")) != nil { return }
            let fields = (try? XMLFields.read(bytes, root: "Error")) ?? [:]
            throw S3Failure(
                .response, status: 500, code: Display.text(fields["Code"] ?? "", limit: 100),
                message: Display.text(
                    fields["Message"] ?? "the server did not say that the upload is complete", limit: 300))
        }
        try run(transfer)
        _ = try transfer.object()
    }

    /// Aborts a multipart upload. One that no longer exists is not an error.
    public func abortUpload(bucket: String, key: [UInt8], id: String) throws {
        var request = S3Request(.delete, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        do {
            _ = try send(request)
        } catch let failure as S3Failure where failure.isNotFound && failure.code != "NoSuchBucket" {
            return
        }
    }

    /// The unfinished multipart uploads of one key, which must consist of characters that XML allows.
    public func unfinishedUploads(bucket: String, key: [UInt8]) throws -> [S3UnfinishedUpload] {
        var found: [S3UnfinishedUpload] = []
        var marker: (key: [UInt8], id: [UInt8])?
        while true {
            var request = S3Request(.get, bucket: bucket)
            // Without encoding-type: Ceph's gateway would encode the keys without saying so.
            request.query = [("uploads", []), ("prefix", key)]
            if let marker {
                request.query += [("key-marker", marker.key), ("upload-id-marker", marker.id)]
            }
            let page = try S3UploadPage(xml: try send(request, limit: 16 << 20).bytes)
            found += page.uploads.filter { $0.key == key }
            guard let next = page.next, found.count < 10_000 else { return found }
            if let marker, marker.key == next.key, marker.id == next.id {
                throw IcecoreError(.invalidData, "the server's list of uploads repeats the same page")
            }
            marker = next
        }
    }
}
