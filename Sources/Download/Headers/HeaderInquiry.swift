import Basics
import Index
import Merge
import Model
import S3
import Store

/// Asks for the headers of versions that did not come with a content: one HEAD each, once nothing else waits for the
/// network, and one request more for those that have tags.
final class HeaderInquiry {
    /// What came of it.
    struct Outcome {
        /// Versions that were asked for.
        var asked = 0
        /// Versions whose headers, or tags, the source refuses; they are asked for again.
        var refused = 0
        /// Versions whose headers could not be had for another reason.
        var failed = 0
        /// The first refusal or failure, as a sentence.
        var example: String?
        /// Why not all could be asked for; nil: they were.
        var end: String?
    }

    private let store: Store
    private let origin: ContentOrigin
    private let account: AccountCheck
    private let record: (FetchRequest, ObjectHeaders, _ isComplete: Bool) -> Void
    /// Somebody wants to know.
    let isOn: Bool
    /// What a sync that was stopped has learnt.
    private var earlier: ArrivedHeaders?
    private(set) var outcome = Outcome()
    /// Which are asked for now, and those that have been added meanwhile.
    private var current: FetchQueue?
    private var following: FetchQueue?
    /// Requests that continue others.
    private var ready: [Transfer] = []
    private var inFlight = 0

    /// - Parameters:
    ///   - wants: versions to ask for.
    ///   - record: called with what was learnt.
    init(
        _ store: Store, _ origin: ContentOrigin, _ destination: HeaderDestination, _ account: AccountCheck,
        wants: FetchQueue?,
        record: @escaping (FetchRequest, ObjectHeaders, _ isComplete: Bool) -> Void
    ) throws {
        self.store = store
        self.origin = origin
        self.account = account
        self.record = record
        if case .nowhere = destination { isOn = false } else { isOn = true }
        if case .arrived(let directory) = destination { earlier = try ArrivedHeaders.left(in: directory) }
        current = wants
    }

    /// Whether nothing is left to ask for, nor in flight.
    var isDone: Bool { inFlight == 0 && ready.isEmpty && current == nil && following == nil }

    /// Asks for the headers of a version later, or only for its tags if the rest is known.
    func add(_ want: FetchRequest) throws {
        guard isOn else { return }
        if want.knownHeaders == nil, try earlier?.find(want)?.isComplete ?? false { return }
        let queue = try following ?? FetchQueue(directory: store.temporaryPath)
        following = queue
        try queue.append(want)
    }

    /// The next request, if there is one to be made now.
    func next() throws -> Transfer? {
        if let transfer = ready.popLast() { return transfer }
        while current != nil || following != nil {
            if let want = try current?.next() {
                outcome.asked += 1
                let source = try SourceObject(want, origin)
                inFlight += 1
                guard let known = want.knownHeaders else { return headers(source) }
                return tags(source, known)
            }
            (current, following) = (following, nil)
        }
        return nil
    }

    /// Gives up because of an error that all other requests would meet, too.
    ///
    /// - Throws: what ends every kind of work, such as an interruption or a full disk.
    func end(_ error: any Error) throws {
        let reason = (error as? S3Failure)?.asError ?? error as? IcecoreError
        guard let reason, [.unavailable, .notFound, .forbidden].contains(reason.code), reason.errno == 0 else {
            throw error
        }
        outcome.end = reason.message
    }

    private func headers(_ source: SourceObject) -> Transfer {
        HeaderTransfer(source) { [unowned self] transfer, result in try answered(transfer.source, result) }
    }

    private func answered(_ source: SourceObject, _ result: Result<ReceivedHeaders, any Error>) throws {
        switch result {
        case .success(let received):
            account.succeeded()
            if received.tagCount > 0 {
                ready.append(tags(source, received.headers))
            } else {
                inFlight -= 1
                record(source.want, received.headers, true)
            }
        case .failure(let failure as S3Failure):
            if source.isWorthAskingByKey(after: failure) {
                var again = source
                again.byKey = true
                ready.append(headers(again))
                return
            }
            let probe = try account.judge(failure) { [unowned self] in
                inFlight -= 1
                count(failure, source.want, "headers")
            }
            if let probe { ready.append(probe) }
        case .failure(let error):
            inFlight -= 1
            // The object was replaced: nothing is left to be asked.
            guard error is SourceObject.Replaced else { throw error }
        }
    }

    private func tags(_ source: SourceObject, _ headers: ObjectHeaders) -> Transfer {
        TagTransfer(source) { [unowned self] result in
            inFlight -= 1
            switch result {
            case .success(let tagging):
                var complete = headers
                complete.tags = tagging.tags
                record(source.want, complete, true)
            case .failure(let failure as S3Failure):
                // A server that counts tags, and says that there are none or that it knows no tags.
                let hasNone = failure.code == "NoSuchTagSet" || [405, 501].contains(failure.status)
                record(source.want, headers, hasNone)
                if !hasNone { count(failure, source.want, "tags") }
            case .failure(let error): throw error
            }
        }
    }

    private func count(_ failure: S3Failure, _ want: FetchRequest, _ what: String) {
        // What is gone by now, or encrypted with a key of its owner, is not news here.
        if failure.kind == .cancelled || failure.isNotFound || failure.status == 405 || failure.isEncryptedByCustomer {
            return
        }
        if failure.status == 401 || failure.status == 403 { outcome.refused += 1 } else { outcome.failed += 1 }
        if outcome.example == nil {
            outcome.example = "the \(what) of '\(Display.escaped(want.key))': \(failure.description)"
        }
    }
}
