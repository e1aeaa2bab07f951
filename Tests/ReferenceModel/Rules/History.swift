import Basics

/// What a store that has synced a set of inventories must answer: rules 1 to 11 of docs/SEMANTICS.md as obvious code.
public struct History: Sendable {
    /// An inventory that a store must refuse: it marks two versions of one key latest (rule 3).
    public struct TwoLatestRows: Error, Hashable {
        public let inventory: String
        public let key: ByteString

        public init(inventory: String, key: ByteString) {
            self.inventory = inventory
            self.key = key
        }
    }

    /// What `diff` finds for one key.
    public enum ViewChange: Hashable, Sendable {
        case added(Version)
        case removed(Version)
        case modified(from: Version, to: Version)
    }

    /// Oldest first: by takenAt, then by name; also those that were pruned, with what is still known of them.
    public let inventories: [InventoryReport]
    /// The names of inventories that were pruned.
    public let pruned: Set<String>
    /// No instant before this can be asked for; nil: never pruned.
    public let horizon: Timestamp?

    private let histories: [ByteString: KeyHistory]

    /// - Parameter inventories: in any order (rule 1); each name once.
    /// - Throws: ``TwoLatestRows``.
    public init(
        _ inventories: some Sequence<InventoryReport>, pruned: Set<String> = [], horizon: Timestamp? = nil
    ) throws {
        self.pruned = pruned
        self.horizon = horizon
        self.inventories = inventories.sorted { ($0.takenAt, $0.name) < ($1.takenAt, $1.name) }
        var listings: [[ByteString: KeyHistory.KeyListing]] = []
        for inventory in self.inventories {
            listings.append(try Self.listings(of: inventory))
        }
        let takenAt = self.inventories.map(\.takenAt)
        var histories: [ByteString: KeyHistory] = [:]
        for key in Set(listings.flatMap(\.keys)) {
            histories[key] = KeyHistory(
                zip(takenAt, listings).map { takenAt, byKey in
                    byKey[key] ?? KeyHistory.KeyListing(takenAt: takenAt, versions: [], latest: nil)
                })
        }
        self.histories = histories
    }

    /// What the inventory says about each of its keys.
    private static func listings(of inventory: InventoryReport) throws -> [ByteString: KeyHistory.KeyListing] {
        try Dictionary(grouping: inventory.rows, by: \.version.key).mapValues { rows in
            let latest = Set(rows.filter(\.isLatest).map(\.version))
            guard latest.count <= 1 else {
                throw TwoLatestRows(inventory: inventory.name, key: rows[0].version.key)
            }
            return KeyHistory.KeyListing(
                takenAt: inventory.takenAt, versions: Set(rows.map(\.version)), latest: latest.first)
        }
    }

    /// The inventories that can be opened.
    public var kept: [InventoryReport] { inventories.filter { !pruned.contains($0.name) } }

    /// Every key that was ever listed, in byte order.
    public var keys: [ByteString] { histories.keys.sorted() }

    /// Everything about one key; nil for a key that was never listed.
    public func history(of key: ByteString) -> KeyHistory? {
        histories[key]
    }

    /// Rule 3: what the inventory of that name marks latest, without markers. Nil for a name that is not there.
    public func snapshotView(_ name: String) -> ShownVersions? {
        guard let inventory = kept.first(where: { $0.name == name }) else { return nil }
        var view: ShownVersions = [:]
        for row in inventory.rows where row.isLatest && !row.version.isMarker {
            view[row.version.key] = row.version
        }
        return view
    }

    /// Rule 9: what was current at an instant according to everything that is known.
    public func instantView(at instant: Timestamp) -> ShownVersions {
        histories.compactMapValues { $0.current(at: instant) }
    }

    /// Rule 11, and what `icecore versions KEY` prints: the versions of a key, newest first; nil, and a failure of the
    /// command, for a key that was never listed.
    public func versions(_ key: ByteString) -> [VersionsLine]? {
        guard let history = histories[key] else { return nil }
        let latest = history.listings.last?.latest
        return history.succession.reversed().map { VersionsLine($0, isLatest: $0 == latest) }
    }

    /// Every version of every key.
    public var allVersions: [Version] {
        keys.flatMap { histories[$0]?.succession ?? [] }
    }

    /// The first instant at which a view shows anything; nil if none ever does.
    public var beginningOfKnowledge: Timestamp? {
        histories.values.compactMap { history in
            // What is current changes only where some existence begins or ends.
            history.versions.flatMap { history.existence(of: $0).flatMap { [$0.lowerBound, $0.upperBound] } }
                .filter { history.current(at: $0).map { !$0.isMarker } ?? false }.min()
        }.min()
    }

    /// How a view differs from another one, by key. Versions that are not identical (rule 2) differ.
    public static func diff(_ old: ShownVersions, _ new: ShownVersions) -> [ByteString: ViewChange] {
        var changes: [ByteString: ViewChange] = [:]
        for key in Set(old.keys).union(new.keys) {
            switch (old[key], new[key]) {
            case (nil, let version?): changes[key] = .added(version)
            case (let version?, nil): changes[key] = .removed(version)
            case (let before?, let after?) where before != after: changes[key] = .modified(from: before, to: after)
            default: break
            }
        }
        return changes
    }
}
