import Basics
import S3
import Upload

/// A replica below a prefix of a bucket.
final class S3Storage: ReplicaStorage {
    private let bucket: ReplicaBucket
    private var client: S3Client { bucket.client }
    /// How the server wants an ETag in `If-Match`: HTTP has quotation marks, Ceph's gateway compares them with the
    /// ETag.
    private var quotesTags = true
    /// Marks what must not stay, for a lifecycle rule of the bucket to find.
    private static let temporaryTag = (name: "x-amz-tagging", value: "icecore=temporary")

    init(_ bucket: ReplicaBucket) {
        self.bucket = bucket
    }

    private func failing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let failure as S3Failure {
            throw failure.asError
        }
    }

    func read(_ path: String, limit: Int) throws -> StoredBytes? {
        do {
            let object = try client.get(bucket: bucket.name, key: bucket.key(path), limit: limit)
            return StoredBytes(bytes: object.bytes, tag: object.head.etag ?? "")
        } catch let failure as S3Failure {
            if failure.isNotFound, failure.code != "NoSuchBucket" { return nil }
            throw failure.asError
        }
    }

    private func put(_ path: String, _ bytes: [UInt8]) -> S3Request {
        var request = bucket.request(.put, path)
        request.payload = bytes
        request.setContentMD5(MD5.digest(bytes))
        if path.hasSuffix(".json") { request.headers.append(("Content-Type", "application/json")) }
        return request
    }

    func write(_ path: String, _ bytes: [UInt8]) throws {
        try failing { _ = try client.send(put(path, bytes)) }
    }

    // MARK: - Conditions

    private enum ConditionalResult {
        case done(tag: String)
        case refused
        case unknownToServer(String)
    }

    private func conditional(
        _ path: String, _ bytes: [UInt8], expecting tag: String?, isTemporary: Bool = false
    ) throws -> ConditionalResult {
        var request = put(path, bytes)
        request.headers.append(tag.map { ("If-Match", quotesTags ? "\"\($0)\"" : $0) } ?? ("If-None-Match", "*"))
        if isTemporary { request.headers.append(S3Storage.temporaryTag) }
        do {
            return .done(tag: try client.send(request).head.etag ?? "")
        } catch let failure as S3Failure where failure.kind == .response {
            switch failure.status {
            case 409, 412: return .refused
            case 404 where tag != nil && failure.code != "NoSuchBucket": return .refused
            case 501: return .unknownToServer(failure.description)
            case 403 where isTemporary:
                // Tagging needs a separate permission.
                return try conditional(path, bytes, expecting: tag)
            default: throw failure.asError
            }
        } catch let failure as S3Failure {
            throw failure.asError
        }
    }

    func exchange(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> Bool {
        switch try conditional(path, bytes, expecting: tag) {
        case .done: return true
        case .refused: return false
        case .unknownToServer(let reason): throw IcecoreError(.unsupported, reason)
        }
    }

    func replace(_ path: String, _ bytes: [UInt8], expecting tag: String?) throws -> String? {
        switch try conditional(path, bytes, expecting: tag) {
        case .done(let tag) where !tag.isEmpty: return tag
        case .done, .refused:
            // A write may have succeeded although its answer was lost; the retry is refused then.
            return try read(path, limit: ReplicaFormat.documentLimit).flatMap { $0.bytes == bytes ? $0.tag : nil }
        case .unknownToServer(let reason): throw IcecoreError(.unsupported, reason)
        }
    }

    func reasonAgainstExchange(tryingAt path: String) throws -> String? {
        defer { try? remove([path]) }
        func attempt(_ text: String, _ tag: String?) throws -> ConditionalResult {
            try conditional(path, Array(text.utf8), expecting: tag, isTemporary: true)
        }
        // A write may have succeeded although its answer was lost; the retry then fails.
        func tag(_ text: String) throws -> String? {
            try read(path, limit: 100).flatMap { $0.bytes == Array(text.utf8) ? $0.tag : nil }
        }
        func succeeds(_ text: String, _ current: String) throws -> Bool {
            if case .done = try attempt(text, current) { return true }
            return try tag(text) != nil
        }
        var current = ""
        switch try attempt("one", nil) {
        case .done(let tag):
            if tag.isEmpty { return "it returns no ETags" }
            current = tag
        case .refused:
            guard let tag = try tag("one") else { return "it refuses 'If-None-Match: *' where no object exists" }
            current = tag
        case .unknownToServer: return "it does not know 'If-None-Match'"
        }
        guard case .refused = try attempt("two", nil) else {
            return "it ignores 'If-None-Match: *': it replaced an existing object"
        }
        guard case .refused = try attempt("three", "00000000000000000000000000000000") else {
            return "it ignores 'If-Match': it replaced an object with a different ETag"
        }
        if try succeeds("four", current) { return nil }
        quotesTags = false
        guard case .refused = try attempt("five", "00000000000000000000000000000000") else {
            return "it ignores 'If-Match': it replaced an object with a different ETag"
        }
        if try succeeds("six", current) { return nil }
        return "it refuses 'If-Match' with the object's own ETag"
    }

    // MARK: - Removing, listing

    func remove(_ paths: [String]) throws {
        let loop = try TransferLoop(client, options: bucket.loopOptions)
        var failure: (any Error)?
        var place = 0
        try failing {
            try loop.run {
                guard place < paths.count else { return .finished }
                defer { place += 1 }
                return .transfer(
                    ObjectDeletion(bucket.request(.delete, paths[place])) { failure = $0 })
            }
        }
        if let failure { throw (failure as? S3Failure)?.asError ?? failure }
    }

    func list(_ prefix: String, _ body: (String, Int64) throws -> Void) throws {
        try failing {
            try client.list(bucket: bucket.name, prefix: bucket.key(prefix)) { page in
                for object in page.objects {
                    try Interruption.check()
                    let path = object.key.dropFirst(bucket.location.key.count)
                    try body(String(decoding: path, as: UTF8.self), object.size)
                }
                return true
            }
        }
    }

    // MARK: - Uploading

    func upload(
        _ next: () throws -> UploadJob?, journal: UploadJournal, done: (UploadJob, UploadOutcome) throws -> Void,
        progress: @escaping (Int64) -> Void
    ) throws {
        let uploader = try S3Uploader(bucket, journal: journal)
        try failing { try uploader.run(next, done: done, progress: progress) }
    }

    func abortUpload(_ path: String, id: String?) throws {
        try failing {
            if let id {
                try client.abortUpload(bucket: bucket.name, key: bucket.key(path), id: id)
                return
            }
            for upload in try client.unfinishedUploads(bucket: bucket.name, key: bucket.key(path)) {
                try client.abortUpload(bucket: bucket.name, key: bucket.key(path), id: upload.id)
            }
        }
    }
}

/// A DELETE that tells of its failure without ending the loop.
private final class ObjectDeletion: Transfer {
    private let failed: (any Error) -> Void

    init(_ request: S3Request, failed: @escaping (any Error) -> Void) {
        self.failed = failed
        super.init(request)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        guard case .failure(let error) = result else { return }
        if let failure = error as? S3Failure, failure.isNotFound, failure.code != "NoSuchBucket" { return }
        failed(error)
    }
}
