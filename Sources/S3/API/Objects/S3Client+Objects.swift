import Basics

extension S3Client {
    /// Makes one request and returns its answer.
    ///
    /// - Parameter limit: the most bytes to accept; more is `invalidData`.
    /// - Throws: ``S3Failure`` for a request that failed, ``IcecoreError`` for anything else.
    public func send(_ request: S3Request, limit: Int = 1 << 20) throws -> S3Object {
        let transfer = CollectingTransfer(request, limit: limit)
        try run(transfer)
        return try transfer.object()
    }

    /// Reads an object, or a range of it, into memory.
    public func get(
        bucket: String, key: [UInt8], versionId: String? = nil, range: Range<Int64>? = nil, ifMatch: String? = nil,
        limit: Int
    ) throws -> S3Object {
        let request = S3Request(
            .get, bucket: bucket, key: key, versionId: versionId, range: range, ifMatch: ifMatch)
        return try send(request, limit: limit)
    }

    /// The headers of an object.
    ///
    /// - Parameter partNumber: a part of a multipart upload; the length is then the part's, and `partsCount` is set.
    public func head(
        bucket: String, key: [UInt8], versionId: String? = nil, partNumber: Int? = nil
    ) throws -> S3ResponseHead {
        var request = S3Request(.head, bucket: bucket, key: key, versionId: versionId)
        if let partNumber { request.query = [("partNumber", Array(String(partNumber).utf8))] }
        return try send(request, limit: 0).head
    }
}
