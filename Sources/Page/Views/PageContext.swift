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
    /// How long scans for this answer may take in all, in milliseconds.
    let patience: ScanLimit

    /// Which state of the index is being read, for answers that are kept.
    var knowledge: Int {
        var hasher = Hasher()
        hasher.combine(reader.timeline.points)
        hasher.combine(reader.timeline.horizons)
        return hasher.finalize()
    }

    /// The older one of the two views, and the newer one.
    var ordered: (old: View, new: View)? {
        other.map { $0.time <= view.time ? ($0, view) : (view, $0) }
    }

    /// What is below a prefix, and how that differs from the other view; nil if there was no time to find out.
    func change(below prefix: [UInt8]) throws -> FolderChange? {
        let (old, new) = ordered ?? (view, view)
        let question = SurveyCache.Question(knowledge: knowledge, prefix: prefix, view: new, other: old)
        if case .change(let change) = cache.find(question) { return change }
        if patience.isOver { return nil }
        let (folder, isComplete) = try reader.changes(
            below: prefix, from: old, to: new, depth: -1, nodes: 0, limit: patience)
        guard isComplete else { return nil }
        cache.keep(.change(folder.change), question)
        return folder.change
    }

    /// What the view shows below a prefix, from ``change(below:)``.
    func sum(_ change: FolderChange) -> FolderSum {
        guard let (old, _) = ordered else { return change.new }
        return old == view ? change.old : change.new
    }

    /// How what is below a prefix grew; nil if there was no time to find out.
    func history(below prefix: [UInt8], limit: ScanLimit) throws -> FolderHistory? {
        let question = SurveyCache.Question(knowledge: knowledge, prefix: prefix)
        if case .history(let history) = cache.find(question) { return history }
        if limit.isOver { return nil }
        let history = try reader.history(below: prefix, at: range.grid(180), changes: 400, limit: limit)
        guard history.isComplete else { return nil }
        cache.keep(.history(history), question)
        return history
    }

    /// The largest folders directly below a prefix, and the sum of its own keys; nil if there was no time to find out.
    func sums(below prefix: [UInt8]) throws -> [(name: [UInt8], sum: FolderSum)]? {
        let question = SurveyCache.Question(knowledge: knowledge, prefix: prefix, view: view)
        if case .sums(let sums) = cache.find(question) { return sums }
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
        cache.keep(.sums(sums), question)
        return sums
    }

    private static func largest(_ sums: [(name: [UInt8], sum: FolderSum)]) -> [(name: [UInt8], sum: FolderSum)] {
        Array(sums.sorted { ($0.sum.bytes, $0.sum.keys) > ($1.sum.bytes, $1.sum.keys) }.prefix(64))
    }
}
