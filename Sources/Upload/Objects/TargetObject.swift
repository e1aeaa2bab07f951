import S3

/// An object that is to be made in a bucket: where, and what goes with its bytes.
package struct TargetObject: Sendable {
    package var bucket: String
    package var key: [UInt8]
    /// Such as `Content-Type` and `x-amz-tagging`.
    package var headers: [(name: String, value: String)]

    package init(bucket: String, key: [UInt8], headers: [(name: String, value: String)] = []) {
        self.bucket = bucket
        self.key = key
        self.headers = headers
    }

    /// A request for it, without its headers.
    package func request(_ method: S3Request.Method) -> S3Request {
        S3Request(method, bucket: bucket, key: key)
    }
}
