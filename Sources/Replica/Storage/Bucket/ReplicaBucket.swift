import S3
import Upload

/// The prefix of a bucket that holds a replica, and how to reach it.
struct ReplicaBucket {
    let client: S3Client
    let location: S3Location
    /// The most requests in flight.
    let jobs: Int

    var name: String { location.bucket }

    func key(_ path: String) -> [UInt8] { location.key + Array(path.utf8) }

    func request(_ method: S3Request.Method, _ path: String) -> S3Request {
        S3Request(method, bucket: name, key: key(path))
    }

    func object(_ path: String) -> TargetObject { TargetObject(bucket: name, key: key(path)) }

    var loopOptions: TransferLoop.Options {
        var options = client.loopOptions
        options.maxInFlight = jobs
        return options
    }
}
