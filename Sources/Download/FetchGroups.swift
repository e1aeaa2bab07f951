import Model

/// The contents in flight, and the keys that share them: one key is asked for the content, the others wait. If it fails, the
/// others are asked; the more have failed, the more at once.
struct FetchGroups {
    struct Failure {
        var want: FetchRequest
        var kind: FetchFailure
        var reason: String
    }

    private struct Group {
        /// How many keys are being asked.
        var attempts = 1
        var others: [FetchRequest] = []
        /// The first of `others` that has not been asked.
        var next = 0
        var failures: [Failure] = []
    }

    private var groups: [ContentKey: Group] = [:]
    /// Contents that had keys left to ask when they were added.
    private var ready: [ContentKey] = []
    /// The most keys of one content to ask at once.
    private let mostAttempts: Int
    /// How many wants and failures are in memory, without the keys that are being asked.
    private(set) var held = 0
    /// How many contents have arrived or failed under every key.
    private(set) var settled = 0

    init(mostAttempts: Int) {
        self.mostAttempts = max(1, mostAttempts)
    }

    var isEmpty: Bool { groups.isEmpty }

    func isUnderWay(_ content: ContentKey) -> Bool {
        groups[content] != nil
    }

    /// Notes that a key is asked for its content.
    mutating func begin(_ content: ContentKey) {
        if groups[content] == nil { groups[content] = Group() } else { groups[content]?.attempts += 1 }
    }

    /// Lets a want wait for the outcome of another key.
    mutating func wait(_ want: FetchRequest) {
        let content = want.content
        guard groups[content] != nil else { return }
        groups[content]?.others.append(want)
        held += 1
        if let group = groups[content], mayAsk(group) { ready.append(content) }
    }

    private func mayAsk(_ group: Group) -> Bool {
        group.next < group.others.count && group.attempts < min(1 + group.failures.count, mostAttempts)
    }

    /// A want whose turn has come because others have failed.
    mutating func takeReady() -> FetchRequest? {
        while let content = ready.last {
            if let group = groups[content], mayAsk(group) {
                groups[content]?.next += 1
                held -= 1
                return group.others[group.next]
            }
            ready.removeLast()
        }
        return nil
    }

    /// A content has arrived.
    ///
    /// - Returns: how many other wants it serves, how many of these are latest, and those that have not been asked; nil: it
    ///   had arrived before, through another key.
    mutating func arrived(_ content: ContentKey) -> (all: Int, latest: Int, unasked: ArraySlice<FetchRequest>)? {
        guard let group = groups.removeValue(forKey: content) else { return nil }
        let waiting = group.others.count - group.next
        held -= waiting + group.failures.count
        settled += 1
        let latest =
            group.others[group.next...].lazy.filter(\.isLatest).count
            + group.failures.lazy.filter(\.want.isLatest).count
        return (waiting + group.failures.count, latest, group.others[group.next...])
    }

    /// A key has failed. Returns what is to be recorded now: nothing as long as another key is left.
    mutating func failed(_ failure: Failure) -> [Failure] {
        let content = failure.want.content
        guard groups[content] != nil else { return [] }
        groups[content]?.failures.append(failure)
        groups[content]?.attempts -= 1
        held += 1
        guard let group = groups[content] else { return [] }
        if group.next < group.others.count {
            ready.append(content)
            return []
        }
        return group.attempts > 0 ? [] : end(content, group)
    }

    /// A request was given up because the download ends. Returns what is to be recorded.
    mutating func cancelled(_ content: ContentKey) -> [Failure] {
        groups[content]?.attempts -= 1
        guard let group = groups[content], group.attempts == 0 else { return [] }
        return end(content, group)
    }

    private mutating func end(_ content: ContentKey, _ group: Group) -> [Failure] {
        groups.removeValue(forKey: content)
        held -= group.others.count - group.next + group.failures.count
        settled += 1
        return group.failures
    }
}
