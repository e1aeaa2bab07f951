import Basics
import Model
import S3

/// A content that has arrived whole, but that the usual part sizes cannot check.
///
/// The source is asked for the size of the first part, and of each one if that is not enough: then what has arrived is
/// checked. Where the source does not say, or the ETag is no digest of the parts at all, the content is fetched once more:
/// what arrives twice in the same form is accepted under its SHA-256.
final class UndecidedContent {
    private var transfer: WholeTransfer
    private let done: (UndecidedContent, WholeTransfer, Result<Void, any Error>) throws -> Void
    private var waiting: Transfer?
    private var inquiry: PartInquiry?
    private var downloads = 1
    /// The SHA-256 of the last download.
    private var earlier: [UInt8]?

    private static let mostDownloads = 3
    /// What is wrong with a content that arrives in another form each time.
    static let neverAlike = "it cannot be checked: nothing gives its ETag, and each download gave different bytes"

    /// - Parameter done: called once, with the transfer that has the content and its verdict, or with why there is none.
    init(
        _ transfer: WholeTransfer,
        done: @escaping (UndecidedContent, WholeTransfer, Result<Void, any Error>) throws -> Void
    ) throws {
        self.transfer = transfer
        self.done = done
        if transfer.source.etagIsOfParts(transfer.description) {
            waiting = DescriptionTransfer(transfer.source) { [self] in try described($0) }
        } else {
            try compare()
        }
    }

    /// The next request, if there is one to be made now.
    func next() -> Transfer? {
        waiting.take() ?? inquiry?.next()
    }

    private func described(_ answer: Result<ObjectDescription?, any Error>) throws {
        let description: ObjectDescription?
        switch answer {
        case .success(let answer): description = answer
        case .failure(let error): return try done(self, transfer, .failure(error))
        }
        if let parts = description?.likelyParts(of: transfer.want), try transfer.matches(parts) {
            return try done(self, transfer, .success(()))
        }
        inquiry = PartInquiry(transfer.source, description) { [self] in try measured($0) }
        if inquiry == nil { try compare() }
    }

    private func measured(_ answer: Result<PartLayout?, any Error>) throws {
        inquiry = nil
        switch answer {
        case .success(let parts):
            if let parts, try transfer.matches(parts) { return try done(self, transfer, .success(())) }
            try compare()
        case .failure(let error): try done(self, transfer, .failure(error))
        }
    }

    /// Compares what has arrived with the download before it.
    private func compare() throws {
        let sha256 = try transfer.sha256()
        if sha256 == earlier {
            transfer.accept(sha256: sha256)
            return try done(self, transfer, .success(()))
        }
        guard downloads < UndecidedContent.mostDownloads else {
            return try done(self, transfer, .failure(S3Failure.corrupt(UndecidedContent.neverAlike)))
        }
        earlier = sha256
        downloads += 1
        transfer.discard()
        waiting = transfer.again { [self] transfer, result in
            self.transfer = transfer
            guard case .success = result, case .undecided = transfer.verdict else {
                return try done(self, transfer, result)
            }
            try compare()
        }
    }
}
