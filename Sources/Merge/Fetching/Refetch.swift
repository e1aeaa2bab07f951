import Basics
import Index
import Model
import SQLite

/// Finds what a previously synced snapshot still lacks under the current policy.
public final class Refetch {
    /// What was found: one content under several versions counts each time.
    public struct Outcome: Sendable {
        public var wanted = StateCount()
        /// Archived, or encrypted with a key of their owner: not requested.
        public var archived = StateCount()
        public var encrypted = StateCount()
        /// Versions with contents whose headers are asked for.
        public var headerWants = 0
    }

    private let reader: IndexReader
    private let policy: DownloadPolicy
    private let rank: Timeline.Rank

    public init(_ reader: IndexReader, _ policy: DownloadPolicy, _ point: Timeline.Point) {
        self.reader = reader
        self.policy = policy
        rank = reader.timeline.rank(of: point.id)
    }

    /// Adds every such blob to `wants`, versions of which only the headers are not known to `headerWants`, and to `sink` the
    /// rows to write once the downloads are done.
    public func run(wants: FetchQueue, headerWants: FetchQueue, sink: ChangeSink) throws -> Outcome {
        let changes = ChangeWriter(sink)
        var outcome = Outcome()
        var prefix: (directory: Int64, bytes: [UInt8]) = (0, [])
        var last: (directory: Int64, name: [UInt8]) = (0, [])
        try reader.lacking(orShared: policy.distrustsETags, orHeaders: policy.headers == .all) { directory, row in
            try Interruption.check()
            // A version can have several rows, and a key several versions: all rows of a key are handled at once.
            if last.directory == directory, last.name.withUnsafeBytes({ row.name.isEqual(to: $0) }) { return }
            last = (directory, Array(row.name))
            if prefix.directory != directory {
                guard let path = try reader.prefix(of: directory) else { return }
                prefix = (directory, path)
            }
            let key = prefix.bytes + last.name
            try last.name.withUnsafeBytes { name in
                for version in try reader.storedVersions(name, in: directory, reader.timeline) {
                    let identity = version.evidence.identity
                    guard !identity.isMarker, !version.flags.contains(.pruned),
                        version.evidence.listed.contains(rank), policy.asks(key)
                    else { continue }
                    guard !version.flags.contains(.present) || needsOwnContent(version) else {
                        if policy.headers == .all, !version.flags.contains(.headersKnown) {
                            outcome.headerWants += 1
                            try add(version, key: key, to: headerWants)
                            changes.put(version, name: name, prefix: prefix.bytes, in: directory) { _ in }
                            try changes.flushIfFull()
                        }
                        continue
                    }
                    guard isMissingOrBack(version, key) else { continue }
                    let isLeftOut = policy.leavesOut(version.flags, size: identity.size)
                    if isLeftOut {
                        if version.flags.contains(.archived) {
                            outcome.archived.add(identity.size)
                        } else {
                            outcome.encrypted.add(identity.size)
                        }
                        // What a program without this rule expected is expected no longer.
                        if !version.flags.contains(.expected) { continue }
                    } else {
                        outcome.wanted.add(identity.size)
                        try add(version, key: key, to: wants)
                    }
                    changes.put(version, checks: .blob, name: name, prefix: prefix.bytes, in: directory) { flags in
                        flags.subtract(EntryRow.Flags.absence.union(.expected))
                        if !isLeftOut { flags.insert(.expected) }
                        if policy.distrustsETags { flags.insert(.filedByVersion) }
                    }
                    try changes.flushIfFull()
                }
            }
        }
        try changes.flush()
        return outcome
    }

    private func needsOwnContent(_ version: StoredVersion) -> Bool {
        policy.distrustsETags && !version.flags.contains(.filedByVersion)
    }

    /// False for what was already gone when the snapshot was taken.
    private func isMissingOrBack(_ version: StoredVersion, _ key: [UInt8]) -> Bool {
        let flags = policy.distrustsETags ? version.flags.union(.filedByVersion) : version.flags
        guard version.flags.contains(.gone) || needsOwnContent(version),
            let etag = version.evidence.identity.contentETag(key: key, flags)
        else { return true }
        return (version.evidence.identity.versionId ?? []).withUnsafeBytes { versionId in
            reader.isBack(
                key: key, versionId: versionId, etag: etag, listedAt: reader.timeline.points[Int(rank)].takenAt)
        }
    }

    private func add(_ version: StoredVersion, key: [UInt8], to wants: FetchQueue) throws {
        let identity = version.evidence.identity
        let flags = policy.distrustsETags ? version.flags.union(.filedByVersion) : version.flags
        guard let etag = identity.etag, let filed = identity.contentETag(key: key, flags) else { return }
        let isLatest = version.evidence.latest.contains(rank)
        let ends = version.rows.filter { $0.valid.from != .max }.map(\.valid.to).max() ?? .max
        var request = FetchRequest(
            key: key, versionId: identity.versionId, etag: etag, contentETag: filed, size: identity.size,
            isLatest: isLatest, isOpaque: version.flags.contains(.opaque),
            isArchived: version.flags.contains(.archived), lastModified: identity.lastModified,
            replacedAt: isLatest
                ? .distantFuture : ends == .max ? identity.lastModified : Timestamp(milliseconds: ends))
        request.wasDenied = !version.flags.isDisjoint(with: [.refused, .gone])
        request.wantsHeaders = policy.headers == .all && !version.flags.contains(.headersKnown)
        try wants.append(request)
    }
}

extension ChangeWriter {
    /// Rewrites all rows of a version, with other flags.
    fileprivate func put(
        _ version: StoredVersion, checks: ChangeChecks = [.headers, .onlyHeaders], name: UnsafeRawBufferPointer,
        prefix: [UInt8], in directory: Int64, _ change: (inout EntryRow.Flags) -> Void
    ) {
        let identity = version.evidence.identity
        var entry = EntryRow(name: name)
        entry.size = identity.size
        entry.lastModified = identity.lastModified
        entry.versionIsUnknown = identity.versionId == nil
        entry.etagIsText = identity.etag?.verbatim != nil
        (identity.versionId ?? []).withUnsafeBytes { versionId in
            (identity.etag?.bytesOfRow ?? []).withUnsafeBytes { etag in
                entry.versionId = versionId
                entry.etag = etag
                for var tenure in version.rows {
                    change(&tenure.flags)
                    put(tenure, entry, in: directory, isNew: false, prefix: prefix, checks: checks)
                }
            }
        }
    }
}

extension IndexReader {
    /// Passes every row whose blob was never seen, and was not pruned, to `body`, with its directory.
    ///
    /// - Parameters:
    ///   - orShared: also rows whose blob may be shared.
    ///   - orHeaders: also rows whose headers are not known.
    fileprivate func lacking(
        orShared: Bool, orHeaders: Bool, _ body: (Int64, EntryRow) throws -> Void
    ) throws {
        let headers = orHeaders ? " OR \(EntryRow.Flags.condition(none: [.marker, .pruned, .headersKnown]))" : ""
        let shared = orShared ? " OR \(EntryRow.Flags.condition(none: [.marker, .pruned, .filedByVersion]))" : ""
        let missing = EntryRow.Flags.condition(none: [.marker, .present, .pruned])
        let columns = try connection.entryColumns(withDirectory: true)
        let statement = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE child IS NULL AND (\(missing)\(shared)\(headers))")
        while try statement.step() { try body(statement.integer(EntryRow.directoryColumn), EntryRow(statement)) }
    }
}
