import Model
import S3

/// Asks the source for the length of each part of a multipart upload: one HEAD each, a few at a time.
///
/// The length of the first part tells those of the others only where all are alike.
final class PartInquiry {
    private let source: SourceObject
    /// The lengths by the parts' places; nil: not known yet.
    private var lengths: [Int64?]
    /// The place of the next part to ask for, counted from 0.
    private var following = 1
    private var inFlight = 0
    private var isHopeless = false
    private var failure: (any Error)?
    private var done: ((Result<PartLayout?, any Error>) throws -> Void)?

    /// The most parts to ask for: each costs a request.
    private static let mostParts: UInt32 = 1000
    private static let mostInFlight = 8

    /// Nil where nothing can be learnt: the source does not know parts, or there are too many or only one.
    ///
    /// - Parameters:
    ///   - description: what the source says of the object and of its first part.
    ///   - done: called once, with the parts, or nil where the source does not say what they are.
    init?(
        _ source: SourceObject, _ description: ObjectDescription?,
        done: @escaping (Result<PartLayout?, any Error>) throws -> Void
    ) {
        let count = source.want.etag.parts
        guard source.needsParts(description), let first = description?.partLength,
            (2...PartInquiry.mostParts).contains(count)
        else { return nil }
        self.source = source
        self.done = done
        lengths = [first] + [Int64?](repeating: nil, count: Int(count) - 1)
    }

    /// The next request, if there is one to be made now.
    func next() -> Transfer? {
        guard !isHopeless, failure == nil, following < lengths.count, inFlight < PartInquiry.mostInFlight else {
            return nil
        }
        let place = following
        following += 1
        inFlight += 1
        return DescriptionTransfer(source, part: place + 1) { [self] in try answered($0, place) }
    }

    private func answered(_ answer: Result<ObjectDescription?, any Error>, _ place: Int) throws {
        inFlight -= 1
        switch answer {
        case .success(let description):
            lengths[place] = description?.partLength
            if description?.partLength == nil { isHopeless = true }
        case .failure(let error): failure = failure ?? error
        }
        guard inFlight == 0, isHopeless || failure != nil || following == lengths.count else { return }
        let done = done.take()
        if let failure {
            try done?(.failure(failure))
        } else {
            let (want, known) = (source.want, lengths.compactMap { $0 })
            try done?(.success(isHopeless ? nil : PartLayout(sizes: known, size: want.size, count: want.etag.parts)))
        }
    }
}
