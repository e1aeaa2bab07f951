import Basics
import Model

/// All versions of one key in the index.
public struct KeyVersions: Sendable {
    /// A version, with what `icecore versions` shows.
    public struct Entry: Sendable {
        public var identity: VersionIdentity
        public var flags: EntryRow.Flags
        /// The newest synced inventory marks it latest.
        public var isLatest: Bool
        /// The slot of its first row.
        public var slot: Int64
        /// The id of its header set; 0: none, or nothing known.
        var headers: Int64
    }

    /// Newest first: the reverse of succession.
    public let versions: [Entry]
}

extension IndexReader {
    /// The versions of one name as stored, in no particular order.
    package func storedVersions(
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
            versions[place].headers = max(versions[place].headers, row.headers)
            versions[place].rows.append(StoredTenure(row))
        }
        for place in versions.indices {
            versions[place].evidence.listed.sort { $0.from < $1.from }
            versions[place].evidence.latest.sort { $0.from < $1.from }
        }
        return versions
    }

    /// The versions of a key, newest first; nil if the key never existed.
    public func versions(ofKey key: [UInt8]) throws -> KeyVersions? {
        let (parent, name) = Key.split(key)
        guard let directory = try directory(prefix: parent) else { return nil }
        return try name.withUnsafeBytes { try versions(ofName: $0, in: directory) }
    }

    /// The same of a name in a directory.
    func versions(ofName name: UnsafeRawBufferPointer, in directory: Int64) throws -> KeyVersions? {
        let stored = try storedVersions(name, in: directory, timeline)
        if stored.isEmpty { return nil }
        let newest = Timeline.Rank(timeline.points.count) - 1
        let order = Succession(of: stored.map(\.evidence), timeline: timeline).order
        return KeyVersions(
            versions: order.reversed().map { place in
                let version = stored[place]
                return KeyVersions.Entry(
                    identity: version.evidence.identity, flags: version.flags,
                    isLatest: version.evidence.latest.contains(newest), slot: version.rows[0].slot,
                    headers: version.headers)
            })
    }
}
