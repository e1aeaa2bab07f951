import Basics
import Model
import S3
import Synchronization
import Upload

/// Sends large contents from the source to the object store, a few at a time, in parts that are in memory and nowhere else.
///
/// A content is there once its upload is completed, and that only happens if its bytes are what its name says.
final class ContentStreams: @unchecked Sendable {
    enum Outcome {
        /// With the parts of the multipart upload that its ETag is of.
        case sent(PartLayout?)
        /// It can still be fetched in the usual way, which tells what is wrong.
        case failed
    }

    // Everything but the results is set once; those are guarded by the lock.
    private let source: S3Client
    private let bucket: String
    private let replica: Replica
    private let isLost: @Sendable () -> Bool
    private let state = Mutex(StreamProgress())

    private struct StreamProgress {
        var following = 0
        var outcomes: [Int: Outcome] = [:]
        var failure: (any Error)?
    }

    /// How many at a time: each has a part in memory.
    private static let most = 4
    private static let usualPart: Int64 = 16 << 20

    init(_ source: S3Client, _ bucket: String, _ replica: Replica, isLost: @escaping @Sendable () -> Bool) {
        self.source = source
        self.bucket = bucket
        self.replica = replica
        self.isLost = isLost
    }

    /// Sends contents.
    ///
    /// - Returns: what became of each.
    func run(_ wants: [FetchRequest]) throws -> [Outcome] {
        var threads: [SystemThread] = []
        for _ in 0..<min(ContentStreams.most, wants.count) {
            threads.append(try SystemThread("content-stream") { [self] in work(wants) })
        }
        for thread in threads { thread.join() }
        let (outcomes, failure) = state.withLock { ($0.outcomes, $0.failure) }
        if let failure { throw failure }
        return wants.indices.map { outcomes[$0] ?? .failed }
    }

    private func work(_ wants: [FetchRequest]) {
        while true {
            let place = state.withLock { state -> Int? in
                guard state.failure == nil, state.following < wants.count else { return nil }
                defer { state.following += 1 }
                return state.following
            }
            guard let place else { return }
            do {
                if isLost() { throw ShardWorker.Lost() }
                try Interruption.check()
                let outcome = try send(wants[place])
                state.withLock { $0.outcomes[place] = outcome }
            } catch {
                state.withLock { $0.failure = $0.failure ?? error }
            }
        }
    }

    private func send(_ want: FetchRequest) throws -> Outcome {
        guard let target = replica.client, case .bucket(let location) = replica.url else { return .failed }
        let name = BlobName.etag(want.etag, size: want.size)
        let key = location.key + Array(ReplicaItem.blob(name).path.utf8)
        let parts: PartLayout?
        do {
            parts = try layout(want)
            if want.etag.parts > 0, parts == nil { return .failed }
        } catch let failure as S3Failure where failure.kind == .response {
            return .failed
        }
        // Whoever had the shard before may have sent it.
        if let head = try? target.head(bucket: location.bucket, key: key), head.contentLength == want.size {
            return .sent(parts)
        }
        let begun = try target.send(.beginningUpload(bucket: location.bucket, key: key))
        let id = try S3UploadAnswer.id(begun.bytes)
        do {
            guard let etags = try copy(want, name, parts, to: location.bucket, key, id, target) else {
                try target.abortUpload(bucket: location.bucket, key: key, id: id)
                return .failed
            }
            try complete(want.size, location.bucket, key, id, etags, target)
            return .sent(parts)
        } catch {
            _ = try? Interruption.shielded { try target.abortUpload(bucket: location.bucket, key: key, id: id) }
            throw (error as? S3Failure)?.asError ?? error
        }
    }

    /// How the upload was divided that a multipart ETag is of, as the source says; nil if that does not fit, or it has no parts.
    private func layout(_ want: FetchRequest) throws -> PartLayout? {
        guard want.etag.parts > 0 else { return nil }
        let head = try source.head(
            bucket: bucket, key: want.key, versionId: want.versionId.map { String(decoding: $0, as: UTF8.self) },
            partNumber: 1)
        guard let length = head.contentLength, length > 0 else { return nil }
        let layout = PartLayout.even(length)
        return layout.count(ofSize: want.size) == Int(want.etag.parts) ? layout : nil
    }

    /// Copies the bytes, part by part.
    ///
    /// - Returns: the ETags of the parts; nil if the source does not give the content that is wanted.
    private func copy(
        _ want: FetchRequest, _ name: BlobName, _ parts: PartLayout?, to targetBucket: String, _ key: [UInt8],
        _ id: String, _ target: S3Client
    ) throws -> [String]? {
        var digest = BlobDigest(name, parts: parts)
        let least = (want.size - 1) / Int64(PartLayout.mostParts) + 1
        let length = max(ContentStreams.usualPart, ((least - 1) / (1 << 20) + 1) << 20)
        var etags: [String] = []
        var position: Int64 = 0
        while position < want.size {
            try Interruption.check()
            if isLost() { throw ShardWorker.Lost() }
            let range = position..<min(want.size, position + length)
            guard let bytes = try read(want, range) else { return nil }
            let md5 = MD5.digest(bytes)
            bytes.withUnsafeBytes { digest.update($0) }
            var request = S3Request.part(etags.count + 1, ofUpload: id, bucket: targetBucket, key: key)
            request.payload = bytes
            request.setContentMD5(md5)
            guard let etag = try target.send(request).head.etag, !etag.isEmpty else {
                throw IcecoreError(.unsupported, "\(replica.url) returns no ETag for a part of an upload")
            }
            etags.append(etag)
            position = range.upperBound
        }
        return digest.problem() == nil ? etags : nil
    }

    /// Some bytes of the content; nil if the source denies them, or has others.
    private func read(_ want: FetchRequest, _ range: Range<Int64>) throws -> [UInt8]? {
        do {
            let object = try source.get(
                bucket: bucket, key: want.key, versionId: want.versionId.map { String(decoding: $0, as: UTF8.self) },
                range: range, ifMatch: want.versionId == nil ? want.etag.description : nil, limit: range.count + 1)
            return object.bytes.count == range.count ? object.bytes : nil
        } catch let failure as S3Failure where failure.kind == .response && failure.status < 500 {
            return nil
        } catch let error as IcecoreError where error.code == .invalidData {
            // A server that ignores ranges sends all of it.
            return nil
        }
    }

    private func complete(
        _ size: Int64, _ targetBucket: String, _ key: [UInt8], _ id: String, _ etags: [String], _ target: S3Client
    ) throws {
        do {
            let answer = try target.send(.completingUpload(id, bucket: targetBucket, key: key, etags: etags))
            try S3UploadAnswer.checkCompletion(answer.bytes)
        } catch let failure as S3Failure where failure.code == "NoSuchUpload" {
            // The answer to a request that succeeded may have been lost; or another machine was faster.
            guard let head = try? target.head(bucket: targetBucket, key: key), head.contentLength == size else {
                throw failure
            }
        }
    }
}
