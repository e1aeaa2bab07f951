import Basics

/// What many entries amount to, in whatever order they come: two sets that have the same sum are the same.
public struct EntrySum: Hashable, Sendable {
    public private(set) var count: Int64 = 0
    private var value: UInt64 = 0

    public init() {}

    /// The number of the pack does not count.
    @inline(__always)
    mutating func add(_ entry: PackEntry) {
        count += 1
        value &+= EntrySum.mix(EntrySum.mix(EntrySum.mix(0, entry.key.high), entry.key.low), UInt64(entry.place))
    }

    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        return product ^ product >> 32
    }
}

extension PackFile {
    /// Of the entries of its directory.
    public func entrySum() throws -> EntrySum {
        var sum = EntrySum()
        let cursor = entries()
        while let entry = try cursor.read() { sum.add(entry) }
        return sum
    }
}

extension PackCatalogue {
    /// Of the entries of each pack, by its number: one pass over everything.
    public func entrySums() throws -> [UInt32: EntrySum] {
        var sums = packs.mapValues { _ in EntrySum() }
        let cursor = entries()
        while let entry = try cursor.read() {
            guard sums[entry.pack] != nil else { throw source.damage("a pack that it does not list") }
            sums[entry.pack]?.add(entry)
        }
        return sums
    }

    /// The entries of one pack: one pass over everything.
    public func entries(ofPack number: UInt32) throws -> [PackEntry] {
        var found: [PackEntry] = []
        let cursor = entries()
        while let entry = try cursor.read() {
            if entry.pack == number { found.append(entry) }
        }
        return found
    }
}
