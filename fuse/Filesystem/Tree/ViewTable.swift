/// The views of one mount by number. The mount's own is 0 (with `--history`, `latest/`), `versions/` is 1, the snapshot
/// of id n is 2n, and any other date that was named below `at/` has an odd number from 3 on that follows from its name.
///
/// Every name has its own number even where two name one view: the kernel would move a directory with two names back and
/// forth between them.
final class ViewTable: @unchecked Sendable {
    static let own: UInt32 = 0
    static let versions: UInt32 = 1

    private struct Named: Hashable {
        var name: String
        var source: ViewSource
    }

    let ownSource: ViewSource
    private let lock = Lock()
    private let limit: Int
    private var named: [UInt32: Named] = [:]
    private var ages: [UInt32] = []
    private var oldest = 0

    init(own: ViewSource, limit: Int = 1024) {
        ownSource = own
        self.limit = limit
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

    /// The number of a view under the name that was asked for.
    func number(of name: String, _ source: ViewSource) -> UInt32 {
        let entry = Named(name: name, source: source)
        // FNV-1a: the same in every run, unlike Swift's own hashes.
        var hash: UInt32 = 2_166_136_261
        for byte in "\(name)\n\(source)".utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return lock.withLock {
            var number = (hash & (1 << 29 - 1)) | 1
            while number == ViewTable.versions || (named[number].map { $0 != entry } ?? false) {
                number = (number + 2) & (1 << 29 - 1)
            }
            if named[number] == nil {
                named[number] = entry
                if ages.count < limit {
                    ages.append(number)
                } else {
                    named.removeValue(forKey: ages[oldest])
                    ages[oldest] = number
                    oldest = (oldest + 1) % limit
                }
            }
            return number
        }
    }
}
