import Basics
import Foundation
import ReferenceModel
import Testing

/// Random histories of buckets, synced by the program as it is built, against the rules of docs/SEMANTICS.md.
///
/// `ICECORE_SOAK=1` runs 64 seeds and asks each more; `ICECORE_SEED=N` runs one alone and asks everything. A history that
/// fails is shrunk, and what is left of it printed as worked examples.
@Suite struct HistoryTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let only = environment["ICECORE_SEED"].flatMap { UInt64($0) }
    private static let isSoak = environment["ICECORE_SOAK"] == "1"

    /// The first four are four styles of a history, the last two of them the least orderly.
    private static func seeds(_ share: Range<UInt64>) -> [UInt64] {
        if let only { return [only] }
        return isSoak ? Array(0..<64) : Array(share)
    }

    @Test(arguments: seeds(0..<4))
    func everyViewIsWhatTheRulesSay(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "history") { store in
            for inventory in store.scenario.inventories {
                try store.perform(.sync(inventory.name))
                try store.ask(.recursive(when: nil))
            }
            try Self.compareAll(store)
        }
    }

    @Test(arguments: seeds(2..<4))
    func orderOfSyncsNeverShows(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "order") { store in
            var random = SplitMix64(seed: seed)
            for inventory in random.shuffle(store.scenario.inventories) {
                try store.perform(.sync(inventory.name))
                try store.ask(.recursive(when: nil))
                // An inventory that is synced again changes nothing.
                if random.chance(20) { try store.perform(.syncAgain(inventory.name)) }
                // Knowledge that comes late reaches back.
                let instants = HistoryScenario.interestingInstants(store.history)
                for _ in 0..<4 where !instants.isEmpty {
                    try store.ask(.recursive(when: random.pick(instants).rfc3339))
                }
            }
            try Self.compareAll(store)
        }
    }

    /// The store lists the bucket itself between two nights' inventories, which may come late.
    @Test(arguments: seeds(2..<4))
    func listingsBetweenInventoriesAreInventories(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "listings", withListings: true) { store in
            var random = SplitMix64(seed: seed)
            let inventories = store.scenario.inventories
            let hasListings = inventories.contains { $0.isListing }
            try #require(hasListings)
            // Mostly in any order, as when the bucket is listed before an old inventory comes.
            for inventory in random.chance(30) ? inventories : random.shuffle(inventories) {
                try store.perform(.sync(inventory.name))
                try store.ask(.recursive(when: nil))
                if inventory.isListing { try store.ask(.recursive(when: inventory.name)) }
            }
            if random.chance(50) {
                try store.perform(.reindex(isGone: random.chance(50)))
                try store.perform(.verify)
            }
            try Self.compareAll(store)
        }
    }

    @Test(arguments: seeds(2..<4))
    func oneSyncOfTheLastInventoryOpensThePast(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "last") { store in
            try store.perform(.sync(try #require(store.scenario.inventories.last).name))
            try Self.compareAll(store)
        }
    }

    @Test(arguments: seeds(2..<4))
    func anIndexThatIsMadeAgainSaysTheSame(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "reindex") { store in
            var random = SplitMix64(seed: seed)
            for inventory in random.shuffle(store.scenario.inventories) {
                try store.perform(.sync(inventory.name))
                try store.perform(.verify)
            }
            try store.perform(.reindex(isGone: seed % 2 == 0))
            try store.perform(.verify)
            try Self.compareAll(store)
        }
    }

    @Test(arguments: seeds(0..<4))
    func prunesBetweenSyncsChangeNoViewThatIsKept(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "prune") { store in
            var random = SplitMix64(seed: seed)
            // Mostly in order; sometimes an old one comes late.
            var inventories = store.scenario.inventories
            if random.chance(40) { inventories = random.shuffle(inventories) }
            for (number, inventory) in inventories.enumerated() {
                try store.perform(.sync(inventory.name))
                try store.ask(.recursive(when: nil))
                guard number + 1 == inventories.count || random.chance(40) else { continue }
                let rules = KeepRules(random: &random)
                let (names, wanted) = store.history.kept(rules)
                let horizon = max(wanted, store.history.horizon ?? .distantPast)
                let before = store.history
                try store.perform(.prune(rules))
                try store.perform(.verify)
                // What is kept is what it was; that the program agrees is compared below.
                for name in names { #expect(store.history.snapshotView(name) == before.snapshotView(name)) }
                for instant in HistoryScenario.interestingInstants(before) where instant >= horizon {
                    #expect(store.history.instantView(at: instant) == before.instantView(at: instant))
                }
                try store.ask(.snapshots)
                for name in before.inventories.map(\.name) { try store.ask(.recursive(when: name)) }
                let instants = HistoryScenario.interestingInstants(before)
                for instant in random.shuffle(instants).prefix(8) { try store.ask(.recursive(when: instant.rfc3339)) }
            }
            try Self.compareAll(store)
        }
    }

    @Test(arguments: seeds(2..<4))
    func anIndexThatIsMadeAgainAfterAPruneKeepsWhatWasKept(seed: UInt64) throws {
        try HistoryComparison.use(seed: seed, test: "prune-reindex") { store in
            var random = SplitMix64(seed: seed)
            let inventories = store.scenario.inventories
            for inventory in inventories.dropLast() { try store.perform(.sync(inventory.name)) }
            try store.perform(.prune(KeepRules(random: &random)))
            for isLast in [false, true] {
                if isLast { try store.perform(.sync(try #require(inventories.last).name)) }
                try store.perform(.reindex(isGone: false))
                try store.perform(.verify)
                try store.ask(.recursive(when: nil))
                // Those that were dropped, and what is before the horizon, are errors as before.
                for name in inventories.map(\.name) { try store.ask(.recursive(when: name)) }
                let horizon = store.history.horizon ?? .distantPast
                for instant in HistoryScenario.interestingInstants(store.history).filter({ $0 < horizon }).prefix(5) {
                    try store.ask(.recursive(when: instant.rfc3339))
                }
            }
        }
    }

    /// Everything that the program can be asked, or a random share of it.
    private static func compareAll(_ store: HistoryComparison) throws {
        let history = store.history
        var random = SplitMix64(seed: store.scenario.seed)
        func share<Element>(_ elements: [Element], _ count: Int) -> [Element] {
            only != nil ? elements : Array(random.shuffle(elements).prefix(isSoak ? 4 * count : count))
        }

        try store.ask(.snapshots)
        for when in isSoak ? Self.whens(history) : share(Self.whens(history), 30) {
            try store.ask(.recursive(when: when))
        }
        let instants = HistoryScenario.interestingInstants(history).map(\.rfc3339)
        for instant in share(instants, 24) { try store.ask(.recursive(when: instant)) }

        let names = history.kept.map(\.name)
        for (old, new) in zip(names, names.dropFirst()) { try store.ask(.difference(old, new)) }
        for _ in 0..<(isSoak ? 40 : 6) where !names.isEmpty {
            let all = names + instants
            try store.ask(.difference(random.pick(all), random.pick(all)))
        }

        // Only NUL cannot stand in a command line.
        let keys = history.keys.filter { !$0.bytes.contains(0) }
        for key in isSoak ? keys : share(keys, 40) { try store.ask(.versions(key)) }
        try store.ask(.unknown("never there"))
        try store.ask(.unknown((keys.first ?? "x") + "\u{1}"))

        let whens = names + instants
        for prefix in share(Self.prefixes(of: keys), 18) where !whens.isEmpty {
            let when = random.chance(20) ? nil : random.pick(whens)
            try store.ask(.oneLevel(when: when, prefix: prefix))
            if random.chance(20) { try store.ask(.recursive(when: when, prefix: prefix)) }
            let depth = random.chance(40) ? nil : random.below(3)
            if random.chance(50) { try store.ask(.sums(when: when, prefix: prefix, depth: depth)) }
        }
        for when in share(whens, 3) { try store.ask(.sums(when: when, prefix: "", depth: nil)) }
        try Self.search(store, whens, keys, &random)
    }

    /// Searches for patterns that are made of keys.
    private static func search(
        _ store: HistoryComparison, _ whens: [String], _ keys: [ByteString], _ random: inout SplitMix64
    ) throws {
        guard !keys.isEmpty else { return }
        for scope in [FindQuestion.FindScope.ever, .deleted] { try store.ask(.search(FindQuestion("*", scope))) }
        let prefixes = Self.prefixes(of: keys)
        for _ in 0..<(isSoak ? 60 : 12) {
            let key = random.pick(keys)
            var scalars = Array((random.chance(50) ? key : key.components.last ?? "").string.unicodeScalars)
            for _ in 0..<random.below(3) where !scalars.isEmpty {
                let place = random.below(scalars.count)
                let piece: [[Unicode.Scalar]] = [
                    ["*"], ["?"], ["[", scalars[place], "]"], ["[", "!", scalars[place], "]"],
                    ["[", "a", "-", "z", "]"],
                ]
                let end = min(scalars.count, place + 1 + random.below(3))
                scalars.replaceSubrange(place..<end, with: random.pick(piece))
            }
            let glob = ByteString(String(String.UnicodeScalarView(scalars.isEmpty ? ["*"] : scalars)))
            let when = whens.isEmpty || random.chance(20) ? nil : random.pick(whens)
            let scope = random.pick([FindQuestion.FindScope.view(when), .ever, .deleted])
            try store.ask(
                .search(
                    FindQuestion(
                        glob, scope, prefix: random.chance(30) ? random.pick(prefixes) : "",
                        largerThan: random.chance(20) ? Int64(random.below(2000)) : nil)))
        }
    }

    /// All kinds of WHEN, in range and out of it. Instants come from elsewhere.
    private static func whens(_ history: History) -> [String] {
        guard let newest = history.inventories.last?.takenAt, let oldest = history.inventories.first?.takenAt
        else { return [] }
        let day: Int64 = 86_400_000
        var whens = ["latest", "0h", "2999-01-01", "1990-01-01", "2024-02-30", "yesterday", "1990-01-01T00-00Z"]
        whens += history.inventories.map(\.name)
        for milliseconds in stride(
            from: oldest.milliseconds - 2 * day, through: newest.milliseconds + 2 * day, by: Int(day))
        {
            whens.append(String(Timestamp(milliseconds: milliseconds).rfc3339.prefix(10)))
        }
        if let beginning = history.beginningOfKnowledge {
            whens.append(Timestamp(milliseconds: beginning.milliseconds - 1).rfc3339)
            whens.append(beginning.rfc3339)
        }
        whens.append(Timestamp(milliseconds: newest.milliseconds + 1).rfc3339)
        whens.append("\((Timestamp.now().milliseconds - (oldest.milliseconds + newest.milliseconds) / 2) / 3_600_000)h")
        return whens
    }

    /// Every string that a key begins with and that is UTF-8, the keys themselves and one that none has.
    private static func prefixes(of keys: [ByteString]) -> [ByteString] {
        var prefixes: Set<ByteString> = ["", "no such prefix"]
        for key in keys {
            for count in 1...key.count where count < 40 || key.bytes[count - 1] == UInt8(ascii: "/") {
                let prefix = ByteString(Array(key.bytes.prefix(count)))
                if ByteString(prefix.string) == prefix { prefixes.insert(prefix) }
            }
        }
        return prefixes.sorted()
    }
}
