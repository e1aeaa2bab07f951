import Model

/// The contents that are on their way, and who else wants them: one of the keys is asked, the others wait for what comes
/// of it. Where a key fails, the others are asked; the more have failed, the more at once.
struct WantGroups {
    struct Failure {
        var want: Want
        var isGone: Bool
        var reason: String
    }

    private struct Group {
        /// How many keys are being asked.
        var attempts = 1
        var others: [Want] = []
        /// Where in `others` those begin that have not been asked.
        var next = 0
        var failures: [Failure] = []
    }

    private var groups: [ContentName: Group] = [:]
    /// Contents that had keys left to ask when they were put here.
    private var ready: [ContentName] = []
    /// The most keys of one content to ask at once.
    private let mostAttempts: Int
    /// Wants and failures in memory, beside those that are being asked for.
    private(set) var held = 0
    /// How many contents have come, or cannot be had.
    private(set) var settled = 0

    init(mostAttempts: Int) {
        self.mostAttempts = max(1, mostAttempts)
    }

    var isEmpty: Bool { groups.isEmpty }

    func isUnderWay(_ content: ContentName) -> Bool {
        groups[content] != nil
    }

    /// A key is asked for its content.
    mutating func begin(_ content: ContentName) {
        if groups[content] == nil { groups[content] = Group() } else { groups[content]?.attempts += 1 }
    }

    /// A want has to wait for what comes of another one.
    mutating func wait(_ want: Want) {
        let content = want.content
        guard groups[content] != nil else { return }
        groups[content]?.others.append(want)
        held += 1
        if let group = groups[content], mayAsk(group) { ready.append(content) }
    }

    private func mayAsk(_ group: Group) -> Bool {
        group.next < group.others.count && group.attempts < min(1 + group.failures.count, mostAttempts)
    }

    /// A want whose turn has come after others have failed.
    mutating func takeReady() -> Want? {
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

    /// A content has come. Nil: it had come before, through another key; else how many were waiting for it.
    mutating func arrived(_ content: ContentName) -> Int? {
        guard let group = groups.removeValue(forKey: content) else { return nil }
        let waiting = group.others.count - group.next
        held -= waiting + group.failures.count
        settled += 1
        return waiting + group.failures.count
    }

    /// A key could not give its content. What is to be recorded now, if no other key is left.
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

    /// A request was given up because everything ends. What is to be recorded.
    mutating func cancelled(_ content: ContentName) -> [Failure] {
        groups[content]?.attempts -= 1
        guard let group = groups[content], group.attempts == 0 else { return [] }
        return end(content, group)
    }

    private mutating func end(_ content: ContentName, _ group: Group) -> [Failure] {
        groups.removeValue(forKey: content)
        held -= group.others.count - group.next + group.failures.count
        settled += 1
        return group.failures
    }
}
