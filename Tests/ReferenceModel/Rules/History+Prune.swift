import Basics

/// What a person asks a prune to keep.
public struct KeepRules: Sendable {
    /// In hours.
    public var within: Int64?
    public var last = 0
    public var daily = 0
    public var weekly = 0
    public var monthly = 0
    public var yearly = 0

    public init() {}

    /// The command line's options.
    public var options: [String] {
        let counts = [
            ("last", last), ("daily", daily), ("weekly", weekly), ("monthly", monthly), ("yearly", yearly),
        ].filter { $0.1 > 0 }
        return (within.map { ["--keep-within", "\($0)h"] } ?? []) + counts.flatMap { ["--keep-\($0)", "\($1)"] }
    }

    /// Any rules.
    public init(random: inout SplitMix64) {
        if random.chance(50) { within = Int64(random.pick([0, 1, 6, 24, 48, 120])) }
        if random.chance(30) { last = 1 + random.below(3) }
        if random.chance(30) { daily = 1 + random.below(3) }
        if random.chance(20) { weekly = 1 + random.below(2) }
        if random.chance(20) { monthly = 1 }
        if random.chance(20) { yearly = 1 }
        if options.isEmpty { last = 1 }
    }
}

extension History {
    /// Which inventories the rules keep, and from when on every instant.
    public func kept(_ rules: KeepRules) -> (names: Set<String>, horizon: Timestamp) {
        guard let newest = kept.last else { return ([], .distantPast) }
        let horizon = Timestamp(milliseconds: newest.takenAt.milliseconds - (rules.within ?? 0) * 3_600_000)
        var names: Set<String> = [newest.name]
        names.formUnion(kept.filter { $0.takenAt >= horizon }.map(\.name))
        names.formUnion(kept.suffix(rules.last).map(\.name))
        let day: Int64 = 86_400_000
        func keep(_ count: Int, _ period: (Timestamp) -> String) {
            // The last of each period that has any, the newest periods first.
            let periods = Dictionary(grouping: kept) { period($0.takenAt) }.values.compactMap(\.last)
            names.formUnion(periods.sorted { ($0.takenAt, $0.name) < ($1.takenAt, $1.name) }.suffix(count).map(\.name))
        }
        keep(rules.daily) { String($0.rfc3339.prefix(10)) }
        // 2024-01-01 was a Monday.
        keep(rules.weekly) { "\(($0.milliseconds - 1_704_067_200_000 + 1000 * 7 * day) / (7 * day))" }
        keep(rules.monthly) { String($0.rfc3339.prefix(7)) }
        keep(rules.yearly) { String($0.rfc3339.prefix(4)) }
        return (names, horizon)
    }

    /// The versions, markers too, that a kept view shows.
    public func shown(_ names: Set<String>, since horizon: Timestamp) -> Set<Version> {
        var shown: Set<Version> = []
        for inventory in inventories where names.contains(inventory.name) {
            for row in inventory.rows where row.isLatest { shown.insert(row.version) }
        }
        for key in keys { shown.formUnion(self.shown(key, since: horizon)) }
        return shown
    }

    private func shown(_ key: ByteString, since horizon: Timestamp) -> [Version] {
        guard let history = history(of: key) else { return [] }
        return ([horizon] + history.changes).filter { $0 >= horizon }.compactMap { history.last(at: $0) }
    }

    /// What is known after a prune: the rows of versions that no kept view shows, and that the newest inventory does not
    /// list, are gone from all inventories, but for keys of which something kept would look different without them.
    public func pruning(_ rules: KeepRules) throws -> History {
        let (names, wanted) = kept(rules)
        let horizon = max(wanted, self.horizon ?? .distantPast)
        let shown = self.shown(names, since: horizon)
        let listed = Set(inventories.last?.rows.map(\.version) ?? [])
        var removed: Set<Version> = []
        for key in keys {
            guard let before = history(of: key) else { continue }
            let some = before.versions.filter { !shown.contains($0) && !listed.contains($0) }
            let after = KeyHistory(
                before.listings.map { listing in
                    KeyHistory.KeyListing(
                        takenAt: listing.takenAt, versions: listing.versions.subtracting(some),
                        latest: listing.latest.flatMap { some.contains($0) ? nil : $0 })
                })
            let instants = before.changes.union(after.changes).union([horizon]).filter { $0 >= horizon }
            if after.succession == before.succession.filter({ !some.contains($0) }),
                instants.allSatisfy({ after.last(at: $0) == before.last(at: $0) })
            {
                removed.formUnion(some)
            }
        }
        return try History(
            inventories.map { inventory in
                var inventory = inventory
                inventory.rows.removeAll { removed.contains($0.version) }
                return inventory
            }, pruned: Set(inventories.map(\.name)).subtracting(names), horizon: horizon)
    }

    /// What is known after one more inventory is synced.
    public func syncing(_ inventory: InventoryReport) throws -> History {
        try History(inventories + [inventory], pruned: pruned, horizon: horizon)
    }
}
