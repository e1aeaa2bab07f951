import Basics
import Index
import Model

/// How a folder grew, at points in time.
public struct FolderHistory: Sendable {
    /// What happened since the point before, and what there was then.
    public struct GrowthPoint: Sendable {
        public var time: Timestamp
        /// What was there at that time.
        public var sum = FolderSum()
        /// Versions that became current since the point before, and those that ceased to be: one that was replaced is
        /// among both.
        public var arrived = FolderSum()
        public var left = FolderSum()

        public init(time: Timestamp, sum: FolderSum, arrived: FolderSum = FolderSum(), left: FolderSum = FolderSum()) {
            self.time = time
            self.sum = sum
            self.arrived = arrived
            self.left = left
        }
    }

    public var points: [GrowthPoint]
    /// When something changed, if that was not too often to be told; in order.
    public var changes: [Timestamp]?
    /// False if the time was over before everything was read: nothing is known then.
    public var isComplete: Bool

    /// What is known from elsewhere.
    public init(points: [GrowthPoint], changes: [Timestamp]? = nil, isComplete: Bool = true) {
        self.points = points
        self.changes = changes
        self.isComplete = isComplete
    }
}

extension IndexReader {
    /// How what is below a prefix grew, in one scan.
    ///
    /// - Parameters:
    ///   - times: in order, each once; what became current before the first counts as arrived there.
    ///   - changes: the most points in time at which something changed.
    public func history(
        below prefix: [UInt8], at times: [Timestamp], changes: Int, limit: ScanLimit = .none
    ) throws -> FolderHistory {
        var visitor = HistoryVisitor(times.map(\.milliseconds), changes: changes)
        let isComplete = try RowScan.run(self, prefix: prefix, limit: limit, isBrief: true, &visitor)
        return FolderHistory(
            points: visitor.points(), changes: isComplete ? visitor.changes() : nil, isComplete: isComplete)
    }
}

private struct HistoryVisitor: RowVisitor {
    let times: [Int64]
    let limit: Int
    var arrived: [FolderSum]
    var left: [FolderSum]
    var moments: Set<Int64>? = []

    init(_ times: [Int64], changes: Int) {
        self.times = times
        limit = changes
        arrived = [FolderSum](repeating: FolderSum(), count: times.count)
        left = arrived
    }

    mutating func enters(_ row: borrowing EntryRow) -> Bool { true }

    @inline(__always)
    mutating func visit(_ row: borrowing EntryRow, in path: [UInt8]) -> Bool {
        if row.isMarker { return true }
        let (from, to) = (row.valid.from, row.valid.to)
        guard from != .max, from < to else { return true }
        let first = place(from)
        let last = to == .max ? times.count : place(to)
        note(from)
        if to != .max { note(to) }
        // What came and went between two points is in neither sum, but both happened.
        if first < times.count { arrived[first].add(row.size) }
        if last < times.count { left[last].add(row.size) }
        return true
    }

    /// The first point that is not before a time.
    @inline(__always)
    private func place(_ time: Int64) -> Int {
        var (low, high) = (0, times.count)
        while low < high {
            let middle = (low + high) / 2
            if times[middle] < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    @inline(__always)
    private mutating func note(_ time: Int64) {
        if moments == nil { return }
        moments?.insert(time)
        if moments?.count ?? 0 > limit { moments = nil }
    }

    func points() -> [FolderHistory.GrowthPoint] {
        var sum = FolderSum()
        return times.indices.map { place in
            sum.add(arrived[place])
            sum.subtract(left[place])
            return FolderHistory.GrowthPoint(
                time: Timestamp(milliseconds: times[place]), sum: sum, arrived: arrived[place], left: left[place])
        }
    }

    func changes() -> [Timestamp]? {
        moments.map { $0.sorted().map { Timestamp(milliseconds: $0) } }
    }
}
