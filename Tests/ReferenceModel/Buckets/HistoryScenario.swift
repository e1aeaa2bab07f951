import Basics

/// The random life of a bucket and the inventories that were taken of it, the same for the same seed on every machine.
public struct HistoryScenario: Sendable {
    /// What kind of a life it is.
    public enum Style: Int, CaseIterable, Sendable {
        /// Versioning was always enabled, and every inventory lists all.
        case versioned
        /// Never any versioning: no ids, overwritten is gone.
        case unversioned
        /// Versioning comes, is suspended and comes again; inventories of all kinds.
        case mixed
        /// Like ``mixed``, in a hurry: many changes within one second, few keys, much deleted for good.
        case crowded
    }

    public let seed: UInt64
    public let style: Style
    /// The steps of the life.
    public private(set) var life: BucketLife
    public var bucket: SimulatedBucket { replay.bucket }
    /// Oldest first; at least 7 in a life that was not made smaller.
    public private(set) var inventories: [InventoryReport] = []

    private let keys: [ByteString]
    private var random: SplitMix64
    private var replay: BucketReplay
    /// The numbers of uploads that have begun and are not complete.
    private var uploads: [Int] = []
    private var uploadCount = 0
    private var inventoryCount = 0
    private let withListings: Bool

    /// A life that is a part of another scenario's.
    public init(_ life: BucketLife, of other: HistoryScenario) {
        self.life = life
        (seed, style, random) = (other.seed, other.style, other.random)
        keys = life.keys
        withListings = false
        replay = life.replay()
        inventories = replay.inventories
    }

    /// - Parameters:
    ///   - withNUL: whether keys may contain a NUL, which no command line can say.
    ///   - withListings: whether the store lists the bucket itself between inventories.
    public init(seed: UInt64, withNUL: Bool = false, withListings: Bool = false) {
        self.seed = seed
        self.withListings = withListings
        var random = SplitMix64(seed: seed)
        style = Style(rawValue: Int(seed % UInt64(Style.allCases.count))) ?? .mixed
        // 2024-02-27: a leap day lies ahead.
        let clock = 1_708_992_000 + Int64(random.below(86400))
        let versioning = style == .versioned || random.chance(30) ? SimulatedBucket.Versioning.enabled : .unversioned
        // Ids that a part of the life needs anew are others than those which were given.
        life = BucketLife(versioning: style == .unversioned ? .unversioned : versioning, seed: ~seed)
        replay = BucketReplay(
            bucket: SimulatedBucket(versioning: life.versioning, clock: clock, seed: seed &+ 1))

        var keys = Set(random.pick(OddKeys.flipping) + random.pick(OddKeys.flipping))
        if style != .crowded {
            for _ in 0..<16 { keys.insert(random.pick(OddKeys.odd)) }
            for _ in 0..<6 { keys.insert(random.pick(OddKeys.plain)) }
        }
        if withNUL { keys.formUnion(OddKeys.withNUL) }
        self.keys = keys.sorted()
        self.random = random
        live()
    }

    /// All that a server must have to hand out what the inventories list. A marker has none.
    public func content(of version: Version) -> [UInt8] {
        bucket.contents[version.etag] ?? []
    }

    /// What the inventories mean.
    public func history() throws -> History {
        try History(inventories)
    }

    /// Writes all inventories into one directory, as a mirror of an inventory bucket. Listings are not among them.
    public func writeInventories(to directory: String) throws {
        try Files.createDirectories(directory)
        for inventory in inventories where !inventory.isListing {
            try inventory.write(to: directory, bucket: bucket.name, seed: seed)
        }
    }

    /// Instants at which something may change, and their neighbours, between the beginning of what is known and the
    /// newest inventory.
    public static func interestingInstants(_ history: History) -> [Timestamp] {
        var instants: Set<Timestamp> = []
        for version in history.allVersions {
            for offset: Int64 in [-1000, -1, 0, 1, 1000] {
                instants.insert(Timestamp(milliseconds: version.lastModified.milliseconds + offset))
            }
        }
        for inventory in history.inventories {
            for offset: Int64 in [-1000, -1, 0, 1, 1000] {
                instants.insert(Timestamp(milliseconds: inventory.takenAt.milliseconds + offset))
            }
        }
        guard let first = history.beginningOfKnowledge, let last = history.inventories.last?.takenAt, first <= last
        else { return [] }
        if let horizon = history.horizon {
            for offset: Int64 in [-1, 0, 1] {
                instants.insert(Timestamp(milliseconds: horizon.milliseconds + offset))
            }
        }
        return instants.filter { (first...last).contains($0) }.sorted()
    }

    // MARK: Its life

    private mutating func perform(_ operation: BucketLife.Operation) {
        life.steps.append(replay.perform(BucketLife.LifeStep(bucket.clock, operation)))
    }

    private mutating func live() {
        for _ in 0..<7 + random.below(4) {
            if style != .unversioned, style != .versioned, random.chance(35) {
                perform(.setVersioning(random.chance(50) ? .enabled : .suspended))
            }
            let pace = random.pick([600, 7200, 40000])
            for _ in 0..<5 + random.below(25) { change(within: pace) }
            if withListings {
                for _ in 0..<random.pick([0, 1, 1, 2]) {
                    takeListing()
                    for _ in 0..<random.below(12) { change(within: pace) }
                }
            }
            takeInventory()
        }
        inventories = replay.inventories
    }

    private mutating func change(within seconds: Int) {
        if !random.chance(style == .crowded ? 70 : 30) { replay.advance(seconds: 1 + random.below(seconds)) }
        let key = random.pick(keys)
        switch random.below(100) {
        case ..<50: perform(.put(key, content(for: key), id: nil))
        case ..<56:
            let content = content(for: key)
            perform(.beginUpload(uploadCount, key, content, partSize: random.pick([5, 7, 16, 64, 5_242_880])))
            uploads.append(uploadCount)
            uploadCount += 1
        case ..<64:
            if !uploads.isEmpty {
                perform(.completeUpload(uploads.remove(at: random.below(uploads.count)), id: nil))
            }
        case ..<80: perform(.delete(key, markerId: nil))
        case ..<94: deleteForGood(key)
        case ..<97: perform(.expireNoncurrent(olderThan: random.pick([0, 3600, 86400])))
        case ..<98: perform(.expireLonelyMarkers)
        default: replay.advance(seconds: 86400 * (1 + random.below(3)))
        }
    }

    private mutating func deleteForGood(_ key: ByteString) {
        let versions = bucket.versions(key)
        guard style != .unversioned, let latest = versions.last else { return }
        perform(.deleteVersion(key, random.chance(60) ? latest.id : random.pick(versions).id))
    }

    /// Few contents for many keys. What a key that ends in a slash has is mostly nothing.
    private mutating func content(for key: ByteString) -> [UInt8] {
        if random.chance(key.hasSuffix("/") ? 60 : 5) { return [] }
        var content = SplitMix64(seed: UInt64(random.below(12)))
        return (0..<1 + content.below(200)).map { _ in UInt8(content.below(256)) }
    }

    private mutating func takeInventory() {
        // A name says the minute only.
        replay.advance(seconds: 60 + random.below(120))
        let milliseconds = Int64(random.pick([0, 0, 250, 999]))
        let name = InventoryReport.name(takenAt: Timestamp(milliseconds: bucket.clock * 1000 + milliseconds))
        scan(name: name, milliseconds: milliseconds, kind())
    }

    /// Lists the bucket as it is now, perhaps within a minute of an inventory or of another listing.
    private mutating func takeListing() {
        replay.advance(seconds: 1 + random.below(20))
        let name = InventoryReport.name(listedAt: bucket.now)
        scan(name: name, milliseconds: 0, style == .unversioned ? .currentOnly : .full)
    }

    private mutating func scan(name: String, milliseconds: Int64, _ kind: InventoryReport.Kind) {
        let number = inventoryCount
        inventoryCount += 1
        guard random.chance(style == .versioned ? 20 : 35) else {
            return perform(.takeInventory(number, name: name, milliseconds: milliseconds, kind, keys))
        }
        // The bucket goes on changing while it is scanned, key range by key range.
        let rangeLength = max(1, keys.count / (2 + random.below(4)))
        for start in stride(from: 0, to: keys.count, by: rangeLength) {
            let range = Array(keys[start..<min(start + rangeLength, keys.count)])
            perform(
                start == 0
                    ? .takeInventory(number, name: name, milliseconds: milliseconds, kind, range)
                    : .scan(number, range))
            for _ in 0..<random.below(6) { change(within: 30) }
            // The next one may begin before this one is done; then this one knows what that one does not.
            if random.chance(15) { takeInventory() }
        }
    }

    private mutating func kind() -> InventoryReport.Kind {
        switch style {
        case .versioned: return .full
        case .unversioned: return .currentOnly
        case .mixed, .crowded:
            switch random.below(100) {
            case ..<12: return .currentOnly
            case ..<20: return .prefix(random.pick(keys.flatMap { [$0, ByteString(Array($0.bytes.prefix(1)))] }))
            default: return .full
            }
        }
    }
}
