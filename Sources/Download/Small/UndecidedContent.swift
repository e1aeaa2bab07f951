import Basics
import Model
import S3

/// A content that has arrived whole, but that the usual part sizes cannot check.
///
/// The source is asked for the size of the first part, and of each one if that is not enough: then what has arrived is
/// checked. Where the source does not say, or the ETag is no digest of the parts at all, a checksum of the source decides;
/// where there is none, the content is fetched once more: what arrives twice in the same form is accepted under its
/// SHA-256.
final class UndecidedContent {
    private var transfer: WholeTransfer
    private let done: (UndecidedContent, WholeTransfer, Result<Void, any Error>) throws -> Void
    private var waiting: Transfer?
    private var inquiry: PartInquiry?
    private var downloads = 1
    /// The SHA-256 of the last download.
    private var earlier: [UInt8]?
    /// The checksum of the last download, if it was not the one that the source has.
    private var wrong: [UInt8]?
    /// The parts by the length of the first one, and those that were asked for one by one.
    private var likely: PartLayout?
    private var certain: PartLayout?

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
        if transfer.source.needsParts(transfer.description) {
            waiting = DescriptionTransfer(transfer.source, part: 1) { [self] in try described($0) }
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
        likely = description?.likelyParts(of: transfer.want)
        if let likely, try transfer.matches(likely) { return try done(self, transfer, .success(())) }
        if let likely, try fits(likely: likely) { return try accept() }
        var known = description
        if let said = transfer.description { known?.add(said) }
        inquiry = PartInquiry(transfer.source, known) { [self] in try measured($0) }
        if inquiry == nil { try compare() }
    }

    private func measured(_ answer: Result<PartLayout?, any Error>) throws {
        inquiry = nil
        switch answer {
        case .success(let parts):
            if let parts, try transfer.matches(parts) { return try done(self, transfer, .success(())) }
            certain = parts
            try compare()
        case .failure(let error): try done(self, transfer, .failure(error))
        }
    }

    /// Whether a checksum of parts fits if they are these.
    private func fits(likely: PartLayout) throws -> Bool {
        let rule = transfer.source.checksumRule(transfer.description, likely: likely)
        guard let rule, rule.checksum.parts != nil, case .opaque = try transfer.verdict(rule) else { return false }
        return true
    }

    private func accept() throws {
        transfer.accept(sha256: try transfer.sha256())
        try done(self, transfer, .success(()))
    }

    /// Compares what has arrived with the source's checksum, or with the download before it.
    private func compare() throws {
        if let rule = transfer.source.checksumRule(transfer.description, certain: certain, likely: likely) {
            switch try transfer.verdict(rule) {
            case .wrong(let digest, let algorithm):
                if digest == wrong {
                    let failure = S3Failure.lasting(transfer.source.lastingMismatch(algorithm))
                    return try done(self, transfer, .failure(failure))
                }
                wrong = digest
                return try fetchAgain()
            case .checked, .opaque: return try accept()
            case .undecided: break
            }
        }
        let sha256 = try transfer.sha256()
        if sha256 == earlier || transfer.source.acceptsUnchecked(transfer.description) { return try accept() }
        earlier = sha256
        try fetchAgain()
    }

    private func fetchAgain() throws {
        guard downloads < UndecidedContent.mostDownloads else {
            return try done(self, transfer, .failure(S3Failure.corrupt(UndecidedContent.neverAlike)))
        }
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
