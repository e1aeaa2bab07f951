import Basics
import Blobs
import Download
import Index
import Model
import S3
import Upload

extension RestoreLoop {
    /// S3's limit for an object that is put or copied by one request.
    private static let largestWhole: Int64 = 5 << 30
    /// A content that has to be read before it is sent goes in parts from this size on.
    private static let largestRead: Int64 = 32 << 20

    /// Puts an object into the target that is not there, or not as it should be.
    func write(_ object: WantedObject) throws {
        if canCopy(object) { return try copy(object) }
        try upload(object)
    }

    // MARK: - Copies

    /// The bucket that is written to has the version, as far as is known.
    private func canCopy(_ object: WantedObject) -> Bool {
        guard target.isOwnBucket || mayBeOwnBucket, object.isListed else { return false }
        return !object.versionId.isEmpty || !target.prefix.isEmpty
    }

    /// A bucket with the right name is tried: what it has as the same version, with the same ETag, is the same.
    private var mayBeOwnBucket: Bool {
        target.hasOwnName && !options.isDryRun && (outcome.copied.objects > 0 || missedCopies < RestoreLoop.mostMissed)
    }

    private static let mostMissed = 3

    private func source(_ object: WantedObject) -> S3Request.CopySource {
        var source = S3Request.CopySource(bucket: target.bucket, key: object.key)
        if !object.versionId.isEmpty { source.versionId = String(decoding: object.versionId, as: UTF8.self) }
        // Something else can have taken its place.
        let isReplaceable = object.versionId.isEmpty || object.versionId == Array("null".utf8)
        if isReplaceable, object.etag.verbatim == nil { source.ifMatch = object.etag.description }
        return source
    }

    private func copy(_ object: WantedObject) throws {
        if options.isDryRun { return outcome.copied.add(object.size) }
        let parts =
            object.etag.parts > 0 ? try reader.blobFacts(etag: object.contentETag, size: object.size).parts : nil
        if object.size > 0, parts != nil || object.size > RestoreLoop.largestWhole {
            let division = parts ?? CopiedParts.division(object.size)
            if let headers = object.headers, headers.isComplete { return copyParts(object, division, headers) }
            return describeSource(object) { [unowned self] in copyParts(object, division, $0) }
        }
        // What is not known is copied, too.
        let headers = object.headers.flatMap { $0.isComplete ? $0.toSend : nil }
        let request = S3Request.copying(
            source(object), bucket: target.bucket, key: key(object), headers: headers)
        open += 1
        ready.append(
            CollectingTransfer(
                request, check: S3UploadAnswer.checkCopy,
                done: { [unowned self] answer in
                    open -= 1
                    try written(
                        object, .copied,
                        answer.map { answer in
                            var made = MadeObject(answer.head)
                            made.etag = S3UploadAnswer.etag(ofCopy: answer.bytes) ?? made.etag
                            return .done(made)
                        }, hasTags: target.isAmazon)
                }))
    }

    private func copyParts(_ object: WantedObject, _ division: PartLayout, _ headers: ObjectHeaders) {
        let new = TargetObject(bucket: target.bucket, key: key(object), headers: headers.toSend)
        let parts = CopiedParts(source(object), size: object.size, division)
        let upload = PartedUpload(
            target.client, new, name: String(decoding: new.key, as: UTF8.self), size: object.size, parts, journal)
        begin(Series(object: object, way: .copied, upload: upload))
    }

    /// Asks for what an upload in parts has to be given because nothing of it is copied: headers and tags.
    private func describeSource(_ object: WantedObject, _ body: @escaping (ObjectHeaders) throws -> Void) {
        open += 1
        let source = source(object)
        let request = S3Request(
            .head, bucket: source.bucket, key: source.key, versionId: source.versionId, ifMatch: source.ifMatch)
        ready.append(
            CollectingTransfer(
                request, limit: 0,
                done: { [unowned self] answer in
                    open -= 1
                    guard case .success(let found) = answer else { return try upload(object) }
                    let headers = found.head.objectHeaders
                    if found.head.tagCount ?? 0 == 0 { return try body(headers) }
                    open += 1
                    ready.append(
                        CollectingTransfer(
                            .tagging(bucket: source.bucket, key: source.key, versionId: source.versionId),
                            limit: S3Tagging.answerLimit,
                            done: { [unowned self] answer in
                                open -= 1
                                guard let tags = try? S3Tagging(xml: try answer.get().bytes) else {
                                    return try upload(object)
                                }
                                try body(ObjectHeaders(fields: headers.fields, tags: tags.tags))
                            }))
                }))
    }

    private var journal: any UploadJournal { records?.journal ?? NoUploadJournal() }

    // MARK: - Uploads

    /// Sends the content from the store; one that is not there is fetched first.
    func upload(_ object: WantedObject) throws {
        guard let place = try store.blob(etag: object.contentETag, size: object.size, reader) else {
            if object.size == 0 { return try put(object, .bytes([])) }
            return try fetchFirst(object)
        }
        if options.isDryRun { return outcome.uploaded.add(object.size) }
        guard let name = place.name else {
            return try unavailable(object, "its file in the store has no blob's name")
        }
        let parts =
            object.etag.parts > 0 ? try reader.blobFacts(etag: object.contentETag, size: object.size).parts : nil
        let payload = UploadPayload.blob(place, name, parts: parts)
        switch name {
        case .etag(let etag, let size) where etag.parts == 0 && size <= RestoreLoop.largestWhole:
            try put(object, payload)
        case .etag(let etag, _) where etag.parts > 0:
            try putParts(object, place, name, parts, parts ?? BlobParts.division(object.size, nil))
        case .sha256(_, let size) where size <= RestoreLoop.largestRead:
            try put(object, payload)
        default:
            try putParts(object, place, name, parts, BlobParts.division(object.size, parts))
        }
    }

    private func fetchFirst(_ object: WantedObject) throws {
        let state = object.flags.state
        if state == .pruned || state == .gone || object.etag.isUnknown {
            return try unavailable(object, object.etag.isUnknown ? "the inventory has no ETags" : state.rawValue)
        }
        if options.isDryRun { return outcome.uploaded.add(object.size) }
        open += 1
        fetch.begin(object)
    }

    private func new(_ object: WantedObject) -> TargetObject {
        TargetObject(bucket: target.bucket, key: key(object), headers: (object.headers ?? ObjectHeaders()).toSend)
    }

    private func put(_ object: WantedObject, _ payload: UploadPayload) throws {
        if options.isDryRun { return outcome.uploaded.add(object.size) }
        do {
            let transfer = try WholeUpload(new(object), payload) { [unowned self] result in
                open -= 1
                try written(object, .uploaded, result, hasTags: true)
            }
            open += 1
            ready.append(transfer)
        } catch let damage as BlobCopy.Damage {
            try damaged(object, damage.reason)
        }
    }

    private func putParts(
        _ object: WantedObject, _ blob: BlobPlace, _ name: BlobName, _ parts: PartLayout?, _ division: PartLayout
    ) throws {
        do {
            let source = try BlobParts(blob, name, parts: parts, division: division, pool)
            let new = new(object)
            let upload = PartedUpload(
                target.client, new, name: String(decoding: new.key, as: UTF8.self), size: object.size, source, journal)
            begin(Series(object: object, way: .uploaded, upload: upload))
        } catch let damage as BlobCopy.Damage {
            try damaged(object, damage.reason)
        }
    }

    private func damaged(_ object: WantedObject, _ reason: String) throws {
        try unavailable(object, "damaged in the store: \(reason) ('icecore verify --repair' fetches it again)")
    }

    // MARK: - What was written

    /// - Parameter hasTags: the server has given the object the tags that were sent with it.
    func written(
        _ object: WantedObject, _ way: Way, _ result: Result<UploadOutcome, any Error>, hasTags: Bool
    ) throws {
        switch result {
        case .success(.damaged(let reason)): try damaged(object, reason)
        case .success(.done(let made)):
            guard !hasTags, let headers = object.headers, headers.hasKnownTags,
                way == .copied || !headers.tags.isEmpty
            else {
                return try count(object, way, made)
            }
            if !headers.tags.isEmpty {
                return setTags(object) { [unowned self] time in
                    var made = made
                    made.time = time ?? made.time
                    try count(object, way, made)
                }
            }
            removeForeignTags(object, way, made)
        case .failure(let failure as S3Failure)
        where way == .copied && failure.kind == .response && (400..<500).contains(failure.status):
            // The source has it no longer, or may not be read.
            missedCopies += 1
            try upload(object)
        case .failure(let failure as S3Failure) where way == .copied && failure.status == 501: try upload(object)
        case .failure(let error): try failed(object, error)
        }
    }

    /// Some servers copy tags whatever they are told.
    private func removeForeignTags(_ object: WantedObject, _ way: Way, _ made: MadeObject) {
        open += 1
        ready.append(
            CollectingTransfer(
                S3Request(.head, bucket: target.bucket, key: key(object)), limit: 0,
                done: { [unowned self] answer in
                    open -= 1
                    guard case .success(let found) = answer, found.head.tagCount ?? 0 > 0 else {
                        return try count(object, way, made)
                    }
                    setTags(object) { [unowned self] time in
                        var made = made
                        made.time = time ?? made.time
                        try count(object, way, made)
                    }
                }))
    }

    private func count(_ object: WantedObject, _ way: Way, _ made: MadeObject) throws {
        if let etag = made.etag, ETag(Array(etag.utf8)) != object.etag {
            guard try canDiffer(object, made) else {
                return try failed(
                    object,
                    IcecoreError(
                        .invalidData, "the target gave it the ETag \(Display.text(etag)) instead of \(object.etag)"))
            }
            outcome.otherETags += 1
        }
        switch way {
        case .copied: outcome.copied.add(object.size)
        case .uploaded: outcome.uploaded.add(object.size)
        }
        try note(object, made)
    }

    /// Whether there is a reason why an object cannot have the ETag that it had.
    private func canDiffer(_ object: WantedObject, _ made: MadeObject) throws -> Bool {
        if made.hasOpaqueETag || object.flags.contains(.opaque) || object.etag.verbatim != nil { return true }
        if object.contentETag != object.etag || store.configuration.etags != nil { return true }
        if object.etag.parts == 0 {
            if object.size > RestoreLoop.largestWhole { return true }
            return try reader.blobFacts(etag: object.contentETag, size: object.size).sha256 != nil
        }
        return try reader.blobFacts(etag: object.contentETag, size: object.size).parts == nil
    }
}
