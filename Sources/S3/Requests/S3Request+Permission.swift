extension S3Request {
    /// The action of IAM that the request has to be allowed, as docs/PERMISSIONS.md lists them.
    var action: String {
        let names = Set(query.map(\.name))
        if names.contains("tagging") {
            let verb = method == .delete ? "Delete" : method == .put ? "Put" : "Get"
            return "s3:\(verb)Object\(versionId == nil ? "" : "Version")Tagging"
        }
        switch method {
        case .get, .head:
            if key.isEmpty { return S3Request.bucketAction(names) }
            return versionId == nil ? "s3:GetObject" : "s3:GetObjectVersion"
        case .put, .post: return names.contains("delete") ? "s3:DeleteObject" : "s3:PutObject"
        case .delete: return names.contains("uploadId") ? "s3:AbortMultipartUpload" : "s3:DeleteObject"
        }
    }

    /// The action of a question about a whole bucket.
    private static func bucketAction(_ names: Set<String>) -> String {
        if names.contains("uploads") { return "s3:ListBucketMultipartUploads" }
        if names.contains("versions") { return "s3:ListBucketVersions" }
        if names.contains("versioning") { return "s3:GetBucketVersioning" }
        return names.contains("inventory") ? "s3:GetInventoryConfiguration" : "s3:ListBucket"
    }

    /// What a refusal may be for want of, as the end of a sentence.
    ///
    /// Who may not list a bucket is not told that an object is gone: the answer is the same as for a forbidden one.
    var neededPermission: String {
        let reads = (method == .get || method == .head) && !key.isEmpty
        return "this needs \(action)" + (reads ? ", and s3:ListBucket to be told when an object is gone" : "")
    }
}
