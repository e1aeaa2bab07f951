import S3

/// Tells whether a failure that seems to concern the account concerns one object alone: a server may answer
/// `InvalidAccessKeyId` because of the key that an object is encrypted with.
final class AccountCheck {
    private let bucket: String
    /// Some request has succeeded, or was refused for another reason.
    private var isSound = false
    /// How many such failures have followed each other.
    private var inARow = 0
    /// What is to be done once a probe has shown that the account is sound.
    private var waiting: [() throws -> Void] = []

    /// So many without a success between them: the account has become invalid meanwhile.
    private static let most = 32

    init(bucket: String) {
        self.bucket = bucket
    }

    /// Whether a decision is awaited.
    var isBusy: Bool { !waiting.isEmpty }

    /// Notes that a request has succeeded.
    func succeeded() {
        isSound = true
        inARow = 0
    }

    /// Decides whether a failure is the object's own.
    ///
    /// - Parameter fail: called now or later if it is.
    /// - Returns: a request that has to be made to find out.
    /// - Throws: the failure, if every other object would meet it too.
    func judge(_ failure: S3Failure, _ fail: @escaping () throws -> Void) throws -> Transfer? {
        switch failure.code {
        case "NoSuchBucket", "ExpiredToken", "RequestTimeTooSkewed", "NotSignedUp": throw failure.asError
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed",
            "AllAccessDisabled", "PermanentRedirect", "TemporaryRedirect":
            break
        default:
            try fail()
            return nil
        }
        inARow += 1
        if inARow > AccountCheck.most { throw failure.asError }
        if isSound {
            try fail()
            return nil
        }
        waiting.append(fail)
        guard waiting.count == 1 else { return nil }
        return AccountProbe(bucket: bucket) { [unowned self] answer in
            if let answer, answer.code == failure.code || answer.kind != .response { throw failure.asError }
            isSound = true
            let waited = waiting
            waiting = []
            for fail in waited { try fail() }
        }
    }
}

/// Asks for one key of the bucket. What counts is whether the account is what the server complains of.
private final class AccountProbe: Transfer {
    private let done: (S3Failure?) throws -> Void

    init(bucket: String, done: @escaping (S3Failure?) throws -> Void) {
        self.done = done
        var request = S3Request(bucket: bucket)
        request.query = [("list-type", Array("2".utf8)), ("max-keys", Array("1".utf8))]
        super.init(request)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success: try done(nil)
        case .failure(let failure as S3Failure): try done(failure)
        case .failure(let error): throw error
        }
    }
}
