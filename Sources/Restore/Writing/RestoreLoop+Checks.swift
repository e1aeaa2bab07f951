import Basics
import Download
import Model
import S3
import Upload

extension RestoreLoop {
    /// S3's limit for a key.
    private static let longestKey = 1024

    func key(_ object: WantedObject) -> [UInt8] { target.prefix + object.key }

    /// Deals with an object of the view, beginning with whether the target has it already.
    func take(_ object: WantedObject, _ listed: S3ListedObject?) throws {
        let key = key(object)
        guard key.count <= RestoreLoop.longestKey else {
            return try failed(
                object, IcecoreError(.unsupported, "with the prefix, its key is longer than S3's limit of 1,024 bytes"))
        }
        guard let listed else { return try write(object) }
        if !options.isChecking, let records,
            try records.isEqual(
                key, etag: listed.etag, size: listed.size, time: listed.lastModified, digest: object.digest)
        {
            return outcome.equal.add(object.size)
        }
        guard listed.size == object.size, isSame(listed.etag, object.etag) else { return try write(object) }
        guard object.headers != nil else { return outcome.equal.add(object.size) }
        compare(object)
    }

    private func isSame(_ text: String, _ etag: ETag) -> Bool {
        !etag.isUnknown && ETag(Array(text.utf8)) == etag
    }

    /// Asks the target what its object is besides its bytes.
    private func compare(_ object: WantedObject) {
        open += 1
        ready.append(
            CollectingTransfer(
                S3Request(.head, bucket: target.bucket, key: key(object)), limit: 0,
                done: { [unowned self] answer in
                    open -= 1
                    switch answer {
                    case .success(let found): try compare(object, found.head)
                    case .failure(let failure as S3Failure) where failure.isNotFound && failure.code != "NoSuchBucket":
                        // Somebody has deleted it since it was listed.
                        try write(object)
                    case .failure(let error): try failed(object, error)
                    }
                }))
    }

    private func compare(_ object: WantedObject, _ head: S3ResponseHead) throws {
        guard let etag = head.etag, isSame(etag, object.etag), let wanted = object.headers,
            wanted.hasSameFields(as: head.objectHeaders)
        else { return try write(object) }
        let made = MadeObject(head)
        if !wanted.hasKnownTags || (wanted.tags.isEmpty && head.tagCount ?? 0 == 0) { return try equal(object, made) }
        if let count = head.tagCount, count != wanted.tags.count { return try retag(object, made) }
        askForTags(object) { [unowned self] tags in
            if tags == wanted.tags { try equal(object, made) } else { try retag(object, made) }
        }
    }

    private func askForTags(_ object: WantedObject, _ body: @escaping ([String: String]) throws -> Void) {
        open += 1
        ready.append(
            CollectingTransfer(
                .tagging(bucket: target.bucket, key: key(object)), limit: S3Tagging.answerLimit,
                done: { [unowned self] answer in
                    open -= 1
                    let tags: [String: String]
                    do {
                        tags = try S3Tagging(xml: try answer.get().bytes).tags
                    } catch {
                        return try failed(object, error)
                    }
                    try body(tags)
                }))
    }

    private func equal(_ object: WantedObject, _ made: MadeObject) throws {
        outcome.equal.add(object.size)
        try note(object, made)
    }

    /// Gives an object that has everything else its tags.
    private func retag(_ object: WantedObject, _ made: MadeObject) throws {
        if options.isDryRun { return outcome.retagged.add(object.size) }
        setTags(object) { [unowned self] time in
            outcome.retagged.add(object.size)
            var made = made
            made.time = time
            try note(object, made)
        }
    }

    /// Makes the tags of an object what they should be.
    ///
    /// - Parameter done: called with the server's time if that was possible.
    func setTags(_ object: WantedObject, _ done: @escaping (Timestamp?) throws -> Void) {
        let tags = object.headers?.tags ?? [:]
        let set = S3Request.setting(S3Tagging(tags), bucket: target.bucket, key: key(object))
        // A set without tags takes them away at S3 and at Ceph's gateway, which does not do so when told to delete them.
        let delete = S3Request.tagging(.delete, bucket: target.bucket, key: key(object))
        setTags(object, set, tags.isEmpty ? delete : nil, done)
    }

    /// - Parameter otherwise: what to send to a server that refuses the request.
    private func setTags(
        _ object: WantedObject, _ request: S3Request, _ otherwise: S3Request?,
        _ done: @escaping (Timestamp?) throws -> Void
    ) {
        open += 1
        ready.append(
            CollectingTransfer(
                request,
                done: { [unowned self] answer in
                    open -= 1
                    switch answer {
                    case .success(let answer): try done(answer.head.date)
                    case .failure(let error):
                        guard let otherwise, (error as? S3Failure)?.kind == .response else {
                            return try failed(object, error)
                        }
                        setTags(object, otherwise, nil, done)
                    }
                }))
    }

    /// Writes down that the target has an object.
    func note(_ object: WantedObject, _ made: MadeObject) throws {
        guard !options.isDryRun, let records, let etag = made.etag else { return }
        try records.note(
            key(object), etag: etag, size: object.size, digest: object.digest, time: made.time ?? .now())
        try commitSometimes()
    }

    // MARK: - What cannot be restored

    func unavailable(_ object: WantedObject, _ reason: String) throws {
        outcome.unavailable.add(object.size)
        try report(.unavailable(key: object.key, reason: reason))
    }

    func failed(_ object: WantedObject, _ error: any Error) throws {
        guard let failure = error as? S3Failure else {
            if let error = error as? IcecoreError, error.code == .interrupted { throw error }
            outcome.failed.add(object.size)
            return try report(.failed(key: object.key, reason: "\(error)"))
        }
        // The loop is ending, for a reason that it will tell.
        if failure.kind == .cancelled { return }
        let written = outcome.copied.objects + outcome.uploaded.objects + outcome.retagged.objects
        let concernsAll =
            failure.code == "NoSuchBucket" || failure.status == 401 || failure.code == "SignatureDoesNotMatch"
        if concernsAll || (failure.status == 403 && written == 0) { throw failure.asError }
        outcome.failed.add(object.size)
        try report(.failed(key: object.key, reason: failure.description))
    }
}
