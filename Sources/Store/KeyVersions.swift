import Basics

/// All versions of one key, as the index has them.
public struct KeyVersions: Sendable {
    /// One version with what `icecore versions` says of it.
    public struct Version: Sendable {
        public var identity: VersionIdentity
        public var flags: EntryRow.Flags
        /// The newest synced inventory marks it latest.
        public var isLatest: Bool
        /// The slot of its first row.
        public var slot: Int64
    }

    /// Newest first: the reverse of succession.
    public let versions: [Version]
}

/// The rows of one version of one key, put together.
struct StoredVersion {
    var evidence: VersionEvidence
    var flags: EntryRow.Flags
    /// The rows as they stand, by slot.
    var rows: [StoredTenure]
}

/// The part of a row that differs between the tenures of one version (or directory).
struct StoredTenure: Hashable {
    var slot: Int64
    var flags: EntryRow.Flags
    var valid: TimeInterval
    var seenFrom: Int64
    var seenTo: Int64
    var listedFrom: Int64
    var listedTo: Int64

    init(_ row: borrowing EntryRow) {
        slot = row.slot
        flags = row.flags
        valid = row.valid
        seenFrom = row.seenFrom
        seenTo = row.seenTo
        listedFrom = row.listedFrom
        listedTo = row.listedTo
    }

    init(
        slot: Int64, flags: EntryRow.Flags, valid: TimeInterval?, seen: RankInterval?, listed: RankInterval?,
        _ timeline: Timeline
    ) {
        self.slot = slot
        self.flags = flags
        self.valid = valid ?? TimeInterval(.max, .max)
        seenFrom = seen.map { timeline.id(at: $0.from) } ?? 0
        seenTo = seen.map { timeline.id(at: $0.to) } ?? 0
        listedFrom = listed.map { timeline.id(at: $0.from) } ?? 0
        listedTo = listed.map { timeline.id(at: $0.to) } ?? 0
    }
}

extension IndexReader {
    /// The versions of one name as stored, in no particular order.
    func storedVersions(
        _ name: UnsafeRawBufferPointer, in directory: Int64, _ timeline: Timeline
    ) throws -> [StoredVersion] {
        var places: [VersionIdentity: Int] = [:]
        var versions: [StoredVersion] = []
        try rows(name, in: directory) { row in
            let identity = row.identity
            let place: Int
            if let known = places[identity] {
                place = known
            } else {
                place = versions.count
                places[identity] = place
                versions.append(
                    StoredVersion(
                        evidence: VersionEvidence(identity: identity, listed: [], latest: []), flags: row.flags,
                        rows: []))
            }
            if let listed = timeline.interval(row.listedFrom, row.listedTo) {
                versions[place].evidence.listed.append(listed)
            }
            if let seen = timeline.interval(row.seenFrom, row.seenTo) {
                versions[place].evidence.latest.append(seen)
            }
            versions[place].flags.formUnion(row.flags)
            versions[place].rows.append(StoredTenure(row))
        }
        for place in versions.indices {
            versions[place].evidence.listed.sort { $0.from < $1.from }
            versions[place].evidence.latest.sort { $0.from < $1.from }
        }
        return versions
    }

    /// The versions of a key, newest first; nil for a key that was never there.
    public func versions(ofKey key: [UInt8]) throws -> KeyVersions? {
        let split = key.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        guard let directory = try directory(prefix: key[..<split]) else { return nil }
        let stored = try key[split...].withUnsafeBytes { try storedVersions($0, in: directory, timeline) }
        if stored.isEmpty { return nil }
        let newest = Timeline.Rank(timeline.points.count) - 1
        let order = Succession(of: stored.map(\.evidence), timeline: timeline).order
        return KeyVersions(
            versions: order.reversed().map { place in
                let version = stored[place]
                return KeyVersions.Version(
                    identity: version.evidence.identity, flags: version.flags,
                    isLatest: version.evidence.latest.contains(newest), slot: version.rows[0].slot)
            })
    }
}
