import Basics
import S3

/// One content on its way to a bucket in parts, as a series of requests. It is completed only if all parts are what they
/// should be, and aborted if anything goes wrong.
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
    private let size: Int64
    private let parts: any PartSource
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

    /// - Parameters:
    ///   - name: how the journal is to call it; it must know already that the upload is about to begin.
    ///   - size: of the object, in bytes.
    package init(
        _ client: S3Client, _ object: TargetObject, name: String, size: Int64, _ parts: any PartSource,
        _ journal: UploadJournal
    ) {
        self.client = client
        self.object = object
        self.name = name
        self.journal = journal
        self.size = size
        self.parts = parts
        etags = [String?](repeating: nil, count: parts.count)
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
        if failure == nil, case .failure(let error) = parts.verdict { failure = error }
        if failure != nil {
            stage = .ending
            return inFlight == 0 ? abort() : nil
        }
        guard let id else { return nil }
        if inFlight < parts.mostInFlight,
            let transfer = parts.next(
                ofUpload: id, object,
                done: { [self] place, result in
                    inFlight -= 1
                    switch result {
                    case .success(let etag): self.etags[place] = etag
                    case .failure(let error): failure = failure ?? error
                    }
                })
        {
            inFlight += 1
            return transfer
        }
        guard inFlight == 0, case .success = parts.verdict else { return nil }
        let etags = self.etags.compactMap { $0 }
        guard etags.count == self.etags.count else { return nil }
        let completion = UploadCompletion(
            bucket: object.bucket, key: object.key, id: id, etags: etags, size: size
        ) { [self] result in
            completed(result, etags)
        }
        stage = .completing(completion)
        return completion.next()
    }

    private func completed(_ result: Result<UploadCompletion.Completed, any Error>, _ etags: [String]) {
        switch result {
        case .success(let made):
            leavesNothing = !mayHaveTwin
            var object = MadeObject(made.head)
            object.etag = made.etag ?? S3UploadAnswer.etag(ofParts: etags)
            end(.success(.done(object)))
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
