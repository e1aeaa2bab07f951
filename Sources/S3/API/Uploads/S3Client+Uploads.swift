import Basics

extension S3Client {
    /// Aborts a multipart upload. One that no longer exists is not an error.
    public func abortUpload(bucket: String, key: [UInt8], id: String) throws {
        do {
            _ = try send(.abortingUpload(id, bucket: bucket, key: key))
        } catch let failure as S3Failure where failure.isNotFound && failure.code != "NoSuchBucket" {
            return
        }
    }

    /// The unfinished multipart uploads of one key, which must consist of characters that XML allows.
    public func unfinishedUploads(bucket: String, key: [UInt8]) throws -> [S3UnfinishedUpload] {
        try unfinishedUploads(bucket: bucket, prefix: key) { $0 == key }
    }

    /// Those of all keys with a prefix, 10,000 of them at most.
    public func unfinishedUploads(bucket: String, prefix: [UInt8]) throws -> [S3UnfinishedUpload] {
        try unfinishedUploads(bucket: bucket, prefix: prefix) { $0.starts(with: prefix) }
    }

    private func unfinishedUploads(
        bucket: String, prefix: [UInt8], where isWanted: ([UInt8]) -> Bool
    ) throws -> [S3UnfinishedUpload] {
        var found: [S3UnfinishedUpload] = []
        var marker: (key: [UInt8], id: [UInt8])?
        while true {
            var request = S3Request(.get, bucket: bucket)
            // Without encoding-type: Ceph's gateway would encode the keys without saying so.
            request.query = [("uploads", []), ("prefix", prefix)]
            if let marker {
                request.query += [("key-marker", marker.key), ("upload-id-marker", marker.id)]
            }
            let page = try S3UploadPage(xml: try send(request, limit: 16 << 20).bytes)
            found += page.uploads.filter { isWanted($0.key) }
            guard let next = page.next, found.count < 10_000 else { return found }
            if let marker, marker.key == next.key, marker.id == next.id {
                throw IcecoreError(.invalidData, "the server's list of uploads repeats the same page")
            }
            marker = next
        }
    }
}
