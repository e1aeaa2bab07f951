import Basics
import Index
import Model
import Survey

/// What views are made from: the index at one moment, and what was asked for.
struct PageContext {
    let bucket: String
    let reader: IndexReader
    let cache: SurveyCache
    let range: TimeRange
    let place: PagePlace
    let view: View
    let other: View?
    /// Which state of the index is being read, for answers that are kept.
    let knowledge: [UInt8]
    /// How long scans for this answer may take in all, in milliseconds.
    let patience: ScanLimit

    static func knowledge(of timeline: Timeline) -> [UInt8] {
        var text = ""
        for point in timeline.points {
            text += "\(point.id) \(point.name) \(point.takenAt.milliseconds) \(point.isPruned)\n"
        }
        for horizon in timeline.horizons { text += "\(Hex.encode(horizon.prefix)) \(horizon.time.milliseconds)\n" }
        return SHA256.digest(Array(text.utf8))
    }

    /// What is asked of one view, or of two.
    private func question(_ prefix: [UInt8], _ view: View, _ other: View? = nil) -> SurveyCache.SurveyQuestion {
        // What a snapshot lists is settled; what was current at an instant, the next sync may know better.
        let isSettled = ([view] + (other.map { [$0] } ?? [])).allSatisfy {
            if case .snapshot = $0.kind { true } else { false }
        }
        return SurveyCache.SurveyQuestion(
            knowledge: isSettled ? [] : knowledge, prefix: prefix, view: SurveyCache.SurveyQuestion.name(view),
            other: other.map(SurveyCache.SurveyQuestion.name))
    }

    private static func now() -> Int64 { Int64(MonotonicClock.milliseconds()) }

    /// The older one of the two views, and the newer one.
    var ordered: (old: View, new: View)? {
        other.map { $0.time <= view.time ? ($0, view) : (view, $0) }
    }

    /// What is below a prefix, and how that differs from the other view; nil if there was no time to find out.
    func change(below prefix: [UInt8]) throws -> FolderChange? {
        let (old, new) = ordered ?? (view, view)
        let question = question(prefix, new, old)
        if case .change(let change) = cache.find(question) { return change }
        if patience.isOver { return nil }
        let start = PageContext.now()
        let (folder, isComplete) = try reader.changes(
            below: prefix, from: old, to: new, depth: -1, nodes: 0, limit: patience)
        guard isComplete else { return nil }
        cache.keep(.change(folder.change), question, took: PageContext.now() - start)
        return folder.change
    }

    /// What the view shows below a prefix, from ``change(below:)``.
    func sum(_ change: FolderChange) -> FolderSum {
        guard let (old, _) = ordered else { return change.new }
        return old == view ? change.old : change.new
    }

    /// How what is below a prefix grew; nil if there was no time to find out.
    func history(below prefix: [UInt8], limit: ScanLimit) throws -> FolderHistory? {
        let question = SurveyCache.SurveyQuestion(knowledge: knowledge, prefix: prefix)
        if case .history(let history) = cache.find(question) { return history }
        if limit.isOver { return nil }
        let history = try reader.history(below: prefix, at: range.grid(180), changes: 400, limit: limit)
        guard history.isComplete else { return nil }
        cache.keep(.history(history), question, took: 0)
        return history
    }

    /// The picture behind the slider. What once took too long is not tried again and again; for the whole bucket, the
    /// snapshots' own sums are as good.
    func rail(below prefix: [UInt8], limit: ScanLimit) throws -> FolderHistory? {
        let question = SurveyCache.SurveyQuestion(knowledge: knowledge, prefix: prefix, isRail: true)
        if case .tooLarge = cache.find(question) {
            let plain = SurveyCache.SurveyQuestion(knowledge: knowledge, prefix: prefix)
            if case .history(let history) = cache.find(plain) { return history }
        } else {
            if let history = try history(below: prefix, limit: limit) { return history }
            cache.keep(.tooLarge, question, took: 0)
        }
        guard prefix.isEmpty, range.stops.count > 1 else { return nil }
        let kept = Set(range.stops.map(\.id))
        let points = try reader.snapshotRecords().filter { kept.contains($0.id) }.map { record in
            FolderHistory.GrowthPoint(time: record.takenAt, sum: FolderSum(keys: record.keys, bytes: record.bytes))
        }
        return FolderHistory(points: points)
    }

    /// The sum of the whole bucket in a snapshot, which syncs have made.
    func recordedSum(_ prefix: [UInt8]) throws -> FolderSum? {
        guard prefix.isEmpty, case .snapshot = view.kind else { return nil }
        let totals = try NodeLookup(reader).totals(ofSnapshot: view.snapshotId)
        return FolderSum(keys: totals.keys, bytes: totals.bytes)
    }

    /// The largest folders directly below a prefix, and the sum of its own keys; nil if there was no time to find out.
    func sums(below prefix: [UInt8]) throws -> [(name: [UInt8], sum: FolderSum)]? {
        let question = question(prefix, view)
        if case .sums(let sums) = cache.find(question) { return sums }
        let start = PageContext.now()
        // Of a million folders, some remain.
        var sums: [(name: [UInt8], sum: FolderSum)] = []
        var own = FolderSum()
        let isComplete = try reader.folderSums(prefix: prefix, view, depth: 1, limit: patience) { folder, sum in
            if folder == prefix {
                own = sum
                return true
            }
            sums.append((folder, sum))
            if sums.count >= 4096 { sums = PageContext.largest(sums) }
            return true
        }
        guard isComplete else { return nil }
        sums = PageContext.largest(sums)
        sums.append((prefix, own))
        cache.keep(.sums(sums), question, took: PageContext.now() - start)
        return sums
    }

    private static func largest(_ sums: [(name: [UInt8], sum: FolderSum)]) -> [(name: [UInt8], sum: FolderSum)] {
        Array(sums.sorted { ($0.sum.bytes, $0.sum.keys) > ($1.sum.bytes, $1.sum.keys) }.prefix(64))
    }
}
