import Basics
import Download
import Model
import S3

/// One content on its way to a bucket in parts, as a series of requests. A pool hashes the parts before they are sent; the
/// upload is completed only if the blob is what its name says, and aborted if anything goes wrong.
///
/// Belongs to the thread of the loop that makes its requests.
package final class PartedUpload {
    private enum UploadStage {
        case new, beginning, sending, ending
        case completing(UploadCompletion)
        case over
    }

    /// How the upload is called in the journal.
    package let name: String
    private let client: S3Client
    private let object: TargetObject
    private let journal: UploadJournal
    private let file: SharedFile
    private let size: Int64
    private let hashing: PartHashing
    private let pool: WorkPool
    private var stage = UploadStage.new
    private var id: String?
    /// An answer was lost: there may be another upload, whose id nobody knows.
    private var mayHaveTwin = false
    private var etags: [String?]
    private var inFlight = 0
    private var failure: (any Error)?

    /// How it ended; nil: it has not.
    package private(set) var result: Result<UploadOutcome, any Error>?
    /// Whether nothing of it is left at the server but, possibly, the finished object.
    package private(set) var leavesNothing = true

    /// The smallest part that S3 accepts, and a length that is cheap enough to send again.
    private static let smallest: Int64 = 5 << 20
    private static let usual: Int64 = 16 << 20
    private static let largest: Int64 = 1 << 30
    private static let mostCount: Int64 = 10_000
    private static let mostInFlight = 6

    /// - Parameters:
    ///   - name: how the journal is to call it; it must know already that the upload is about to begin.
    ///   - parts: those of the upload that the blob comes from.
    ///   - division: those of this one.
    /// - Throws: ``BlobCopy/Damage`` for a blob that cannot be sent.
    package init(
        _ client: S3Client, _ object: TargetObject, name: String, file path: String, _ blob: BlobName, parts: PartLayout?,
        division: PartLayout, _ journal: UploadJournal, _ pool: WorkPool
    ) throws {
        self.client = client
        self.object = object
        self.name = name
        self.journal = journal
        self.pool = pool
        size = blob.size
        file = SharedFile(try BlobCopy.open(path, blob))
        let count =
            switch division {
            case .even(let length): size == 0 ? 1 : Int((size - 1) / max(1, length) + 1)
            case .uneven(let sizes): sizes.count
            }
        hashing = PartHashing(file, blob, parts: parts, division: division, count: count)
        etags = [String?](repeating: nil, count: count)
    }

    /// Parts in which any server takes a content: those of its own upload if they are usual, which saves a second digest.
    package static func division(_ size: Int64, _ parts: PartLayout?) -> PartLayout {
        if case .even(let partSize) = parts, (smallest...largest).contains(partSize), (size - 1) / partSize < mostCount
        {
            return .even(partSize)
        }
        let least = (size - 1) / mostCount + 1
        return .even(max(usual, ((least - 1) / (1 << 20) + 1) * (1 << 20)))
    }

    /// The next request, if one can be made now.
    package func next() throws -> Transfer? {
        switch stage {
        case .new: return begin()
        case .beginning, .over: return nil
        case .completing(let completion): return completion.next()
        case .sending: return try send()
        case .ending: return inFlight == 0 ? abort() : nil
        }
    }

    // MARK: - Steps

    private func begin() -> Transfer {
        stage = .beginning
        leavesNothing = false
        let request = S3Request.beginningUpload(bucket: object.bucket, key: object.key, headers: object.headers)
        var transfer: CollectingTransfer?
        let begun = CollectingTransfer(
            request,
            done: { [self] answer in
                mayHaveTwin = transfer.map { $0.attempts > 1 } ?? false
                transfer = nil
                try began(answer)
            })
        transfer = begun
        return begun
    }

    private func began(_ answer: Result<S3Object, any Error>) throws {
        do {
            let id = try S3UploadAnswer.id(try answer.get().bytes)
            self.id = id
            if mayHaveTwin { try removeTwin(of: id) }
            mayHaveTwin = false
            // Until the journal has its ID, every upload of this key would be aborted by the next run.
            try journal.didBegin(name, id: id)
            stage = .sending
        } catch let error as S3Failure where error.kind == .response && error.status < 500 && !mayHaveTwin {
            leavesNothing = true
            end(.failure(error))
        } catch {
            end(.failure(error))
        }
    }

    /// A lost answer is so rare that the loop may wait meanwhile.
    private func removeTwin(of id: String) throws {
        do {
            for upload in try client.unfinishedUploads(bucket: object.bucket, key: object.key) where upload.id != id {
                try client.abortUpload(bucket: object.bucket, key: object.key, id: upload.id)
            }
        } catch let failure as S3Failure where failure.status == 403 {
            // Listing needs a separate permission; without it, a twin is left to the bucket's lifecycle rules.
        }
    }

    private func send() throws -> Transfer? {
        if failure == nil, case .failure(let error) = hashing.end { failure = error }
        if failure != nil {
            stage = .ending
            return inFlight == 0 ? abort() : nil
        }
        if inFlight < PartedUpload.mostInFlight, let id, let part = hashing.take(pool) { return send(part, id) }
        guard inFlight == 0, case .success = hashing.end, let id else { return nil }
        let etags = etags.compactMap { $0 }
        guard etags.count == self.etags.count else { return nil }
        let completion = UploadCompletion(
            bucket: object.bucket, key: object.key, id: id, etags: etags, size: size
        ) { [self] result in
            completed(result, etags)
        }
        stage = .completing(completion)
        return completion.next()
    }

    private func send(_ part: PartHashing.HashedPart, _ id: String) -> Transfer {
        inFlight += 1
        var request = S3Request.part(part.place + 1, ofUpload: id, bucket: object.bucket, key: object.key)
        request.uploadLength = Int64(part.range.count)
        request.setContentMD5(part.md5)
        return PartUpload(request, file, from: part.range.lowerBound, md5: part.md5) { [self] result in
            inFlight -= 1
            switch result {
            case .success(let etag): etags[part.place] = etag
            case .failure(let error): failure = failure ?? error
            }
        }
    }

    private func completed(_ result: Result<UploadCompletion.Completed, any Error>, _ etags: [String]) {
        switch result {
        case .success(let made):
            leavesNothing = !mayHaveTwin
            let etag = made.etag ?? S3UploadAnswer.etag(ofParts: etags)
            end(.success(.done(MadeObject(etag: etag, time: made.head.date))))
        case .failure(let error):
            failure = error
            stage = .ending
        }
    }

    private func abort() -> Transfer? {
        guard let transfer = abortion({ [self] in end(ofFailure: $0) }) else {
            end(ofFailure: false)
            return nil
        }
        stage = .beginning
        return transfer
    }

    /// A request that aborts the upload; nil: it has not begun, as far as is known.
    private func abortion(_ done: @escaping (_ isAborted: Bool) -> Void) -> Transfer? {
        guard let id else { return nil }
        return CollectingTransfer(
            .abortingUpload(id, bucket: object.bucket, key: object.key),
            done: { answer in
                switch answer {
                case .success: done(true)
                case .failure(let failure as S3Failure): done(failure.isNotFound)
                case .failure: done(false)
                }
            })
    }

    private func end(ofFailure isAborted: Bool) {
        leavesNothing = isAborted && !mayHaveTwin
        switch failure {
        case let damage as BlobCopy.Damage: end(.success(.damaged(damage.reason)))
        case let error?: end(.failure(error))
        case nil: end(.failure(IcecoreError(.interrupted, "interrupted")))
        }
    }

    private func end(_ result: Result<UploadOutcome, any Error>) {
        stage = .over
        self.result = result
    }
}

extension PartedUpload {
    /// Aborts uploads of which no request is in flight any more, as far as the server answers promptly. The journal keeps
    /// the rest. To be called once nothing else will be done: a loop has ended early.
    package static func abandon(_ uploads: [PartedUpload], _ client: S3Client) {
        var hasty = TransferLoop.Options()
        hasty.attempts = 1
        hasty.connectTimeout = 1000
        hasty.stallTimeout = 1
        Interruption.shielded {
            guard let loop = try? TransferLoop(client, options: hasty) else { return }
            var rest = uploads[...]
            try? loop.run {
                while let upload = rest.popFirst() {
                    if upload.result != nil {
                        if upload.leavesNothing { try? upload.journal.didEnd(upload.name) }
                        continue
                    }
                    guard upload.id != nil else {
                        if case .new = upload.stage { try? upload.journal.didEnd(upload.name) }
                        continue
                    }
                    let abortion = upload.abortion { isAborted in
                        if isAborted, !upload.mayHaveTwin { try? upload.journal.didEnd(upload.name) }
                    }
                    if let abortion { return .transfer(abortion) }
                }
                return .finished
            }
        }
    }
}
