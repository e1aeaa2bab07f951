import Basics

/// The views of one mount by number. The mount's own is 0 (with `--history`, `latest/`), `versions/` is 1, the snapshot
/// of id n is 2n, and any other date that was named below `at/` has an odd number from 3 on that follows from its name.
///
/// Every name has its own number even where two name one view: the kernel would move a directory with two names back and
/// forth between them.
final class ViewTable: @unchecked Sendable {
    static let own: UInt32 = 0
    static let versions: UInt32 = 1

    let ownSource: ViewSource
    private let lock = Lock()
    private let limit: Int
    private let record: NamedDates?
    private var named: [UInt32: NamedDates.Date] = [:]
    private var ages: [UInt32] = []
    private var oldest = 0

    /// - Parameter record: what earlier mounts have named, and where to add to it; nil: nowhere.
    init(own: ViewSource, record: NamedDates? = nil, limit: Int = 1024) {
        ownSource = own
        self.limit = limit
        self.record = record
        for date in record?.read(limit: limit) ?? [] { _ = insert(date) }
    }

    /// The number of a snapshot under its own name; nil if it does not fit.
    static func number(ofSnapshot id: Int64) -> UInt32? {
        id > 0 && id < 1 << 28 ? UInt32(id) * 2 : nil
    }

    /// The view of a number; nil for one that was never given out, or is forgotten.
    func source(_ number: UInt32) -> ViewSource? {
        switch number {
        case ViewTable.own: return ownSource
        case ViewTable.versions: return .versions
        default:
            if number % 2 == 0 { return .snapshot(id: Int64(number / 2)) }
            return lock.withLock { named[number]?.source }
        }
    }

    /// The name of a view below `at/`; nil for one that has its snapshot's.
    func name(_ number: UInt32) -> String? {
        lock.withLock { named[number]?.name }
    }

    /// The number of a view under the name that was asked for.
    func number(of name: String, _ source: ViewSource) -> UInt32 {
        let date = NamedDates.Date(name: name, source: source)
        return lock.withLock {
            let (number, isNew) = insert(date)
            if isNew { record?.append(date) }
            return number
        }
    }

    /// The number of a date, and whether it has just got it.
    private func insert(_ date: NamedDates.Date) -> (UInt32, isNew: Bool) {
        // FNV-1a: the same in every run, unlike Swift's own hashes.
        var hash: UInt32 = 2_166_136_261
        for byte in date.line.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        var number = (hash & (1 << 29 - 1)) | 1
        while number == ViewTable.versions || (named[number].map { $0 != date } ?? false) {
            number = (number + 2) & (1 << 29 - 1)
        }
        if named[number] != nil { return (number, false) }
        named[number] = date
        if ages.count < limit {
            ages.append(number)
        } else {
            named.removeValue(forKey: ages[oldest])
            ages[oldest] = number
            oldest = (oldest + 1) % limit
        }
        return (number, true)
    }
}
