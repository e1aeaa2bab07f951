import Basics
import Index
import Inventory
import Model

/// Merging one key: the inventory's rows against the index's.
extension IndexMerge {
    /// Merges a key that the inventory lists. The frame's cursor is at its name, or after it.
    func merge(_ group: inout KeyGroup, name: UnsafeRawBufferPointer, _ frame: MergeFrame) throws {
        count(group)
        guard frame.hasRow, frame.cursor.row.name.isEqual(to: name) else {
            try noteLongName(name, in: frame)
            if group.rows.count == 1, isNewest {
                try insert(group.rows[0], name: name, frame)
            } else {
                try rewrite(group, name: name, frame)
            }
            return
        }

        // Compare the rows of the index with those of the inventory. If they agree completely, nothing changes: nearly
        // always the case, which is why nothing is copied here.
        var agrees = isNewest || group.rows.count == 1
        var listed = 0
        var rows = 0
        tenures.removeAll(keepingCapacity: true)
        repeat {
            let row = frame.cursor.row
            tenures.append(StoredTenure(row))
            rows += 1
            let covers = timeline.covers(row.listedFrom, row.listedTo, rank)
            if covers { listed += 1 }
            if let place = group.find(row) {
                if covers { group.rows[place].isListed = true }
                if timeline.covers(row.seenFrom, row.seenTo, rank) { group.rows[place].isLatest = true }
                if needsChange(row, group.rows[place].facts, name) { agrees = false }
            } else if covers {
                agrees = false
            }
            frame.hasRow = try frame.cursor.next()
        } while frame.hasRow && frame.cursor.row.name.isEqual(to: name)
        if !isNewest, rows > 1 { agrees = false }
        if agrees, listed == group.rows.count,
            group.rows.allSatisfy({ $0.isListed && $0.isLatest == $0.marksLatest })
        {
            for row in tenures { frame.add(row, isShown: !row.flags.contains(.marker), timeline) }
        } else {
            try rewrite(group, name: name, frame)
        }
    }

    /// Merges the name at the frame's cursor, which the inventory does not list.
    func mergeUnlisted(_ frame: MergeFrame) throws {
        frame.takeName()
        tenures.removeAll(keepingCapacity: true)
        var isListed = false
        repeat {
            let row = StoredTenure(frame.cursor.row)
            tenures.append(row)
            if timeline.covers(row.listedFrom, row.listedTo, rank) { isListed = true }
            frame.hasRow = try frame.cursor.next()
        } while frame.hasRow && frame.standsOnName()
        if isListed {
            let name = frame.nameBytes
            try name.withUnsafeBytes { try rewrite(KeyGroup(), name: $0, frame) }
        } else {
            for row in tenures { frame.add(row, isShown: !row.flags.contains(.marker), timeline) }
        }
    }

    private func count(_ group: KeyGroup) {
        for row in group.rows where row.marksLatest && !row.isMarker {
            summary.keys += 1
            summary.bytes = summary.bytes.addingClamped(row.facts.size)
        }
    }

    private func count(newVersion row: KeyGroup.Row) {
        summary.newVersions += 1
        summary.newBytes = summary.newBytes.addingClamped(row.facts.size)
    }

    /// Whether a row may have to change although it lists what the inventory lists.
    @inline(__always)
    private func needsChange(
        _ row: EntryRow, _ facts: InventoryRow, _ name: UnsafeRawBufferPointer
    ) -> Bool {
        if row.flags.contains(.marker) { return false }
        let needsOwnContent = policy.distrustsETags && !row.flags.contains(.filedByVersion)
        if !row.flags.contains(.pruned), !row.flags.contains(.present) || needsOwnContent, !policy.metadataOnly,
            asks(name)
        {
            if policy.leavesOut(row.flags, size: row.size) {
                // Archived since it was requested, or requested by a program that did not leave out such contents.
                if row.flags.contains(.expected) { return true }
                summary.leftOut(row.flags, size: row.size)
                return factsDiffer(row, facts)
            }
            var asked = row
            if policy.distrustsETags { asked.flags.insert(.filedByVersion) }
            guard row.flags.contains(.gone) || needsOwnContent, let etag = asked.contentETag(prefix: path) else {
                return true
            }
            if isBack(name, versionId: row.versionId, etag: etag) { return true }
        } else if asksHeaders(row.flags, name) {
            return true
        }
        return factsDiffer(row, facts)
    }

    /// Whether the inventory says something else of the content than the row.
    @inline(__always)
    private func factsDiffer(_ row: EntryRow, _ facts: InventoryRow) -> Bool {
        if facts.flags.contains(.opaque) != row.flags.contains(.opaque) { return true }
        return facts.flags.contains(.archived) != row.flags.contains(.archived)
            && isLastListing(row.listedTo == 0 ? .max : timeline.rank(of: row.listedTo))
    }

    /// Whether a version whose content was gone is back, according to this inventory.
    private func isBack(_ name: UnsafeRawBufferPointer, versionId: UnsafeRawBufferPointer, etag: ETag) -> Bool {
        reader.isBack(
            key: path + Array(name), versionId: versionId, etag: etag, listedAt: timeline.points[Int(rank)].takenAt)
    }

    /// Whether this inventory is the last of a run that ends before `end`: then its storage class counts.
    private func isLastListing(_ end: Timeline.Rank) -> Bool {
        end == .max ? isNewest : end - 1 == rank
    }

    /// Inserts a key unknown to the index, with one version, from the newest inventory: all that a first sync does.
    private func insert(_ row: KeyGroup.Row, name: UnsafeRawBufferPointer, _ frame: MergeFrame) throws {
        count(newVersion: row)
        var tenure = StoredTenure(
            slot: try takeSlot(frame), flags: flags(row), headers: 0, valid: nil, seen: nil, listed: nil, timeline)
        tenure.valid = TimeSpan(row.facts.lastModified.milliseconds, .max)
        tenure.seenFrom = row.marksLatest ? snapshotId : 0
        tenure.listedFrom = snapshotId
        let asks = !row.isMarker && asks(name)
        if asks, policy.leavesOut(tenure.flags, size: row.facts.size) {
            summary.leftOut(tenure.flags, size: row.facts.size)
        } else if asks {
            tenure.flags.insert(.expected)
            try requestFetch(
                row.identity, flags: tenure.flags, isLatest: row.marksLatest, valid: tenure.valid, name: name)
        }
        put(tenure, row, name: name, frame, asks ? .blob : [])
        frame.add(tenure, isShown: !row.isMarker, timeline)
        try changes.flushIfFull()
    }

    private func flags(_ row: KeyGroup.Row) -> EntryRow.Flags {
        var flags: EntryRow.Flags = []
        if row.isMarker { flags.insert(.marker) }
        if row.facts.flags.contains(.opaque) { flags.insert(.opaque) }
        if row.facts.flags.contains(.archived) { flags.insert(.archived) }
        if policy.distrustsETags, !row.isMarker { flags.insert(.filedByVersion) }
        return flags
    }

    private func put(
        _ tenure: StoredTenure, _ row: KeyGroup.Row, name: UnsafeRawBufferPointer, _ frame: MergeFrame,
        _ checks: ChangeChecks
    ) {
        var entry = EntryRow(name: name)
        entry.size = row.facts.size
        entry.lastModified = row.facts.lastModified
        entry.versionId = row.versionId
        entry.versionIsUnknown = row.versionIsUnknown
        let prefix = checks == [] ? [] : path
        if row.hasVerbatimETag {
            entry.etag = row.etag
            entry.etagIsText = true
            changes.put(tenure, entry, in: frame.directory, isNew: true, prefix: prefix, checks: checks)
        } else if row.isMarker {
            changes.put(tenure, entry, in: frame.directory, isNew: true)
        } else {
            let packed = PackedETag(ETag(high: row.facts.etagHigh, low: row.facts.etagLow, parts: row.facts.etagParts))
            withUnsafeBytes(of: packed.words) { bytes in
                entry.etag = UnsafeRawBufferPointer(rebasing: bytes[..<packed.count])
                changes.put(tenure, entry, in: frame.directory, isNew: true, prefix: prefix, checks: checks)
            }
        }
    }

    /// Whether to request the blob of the key `path` + `name`.
    private func asks(_ name: UnsafeRawBufferPointer) -> Bool {
        policy.asks(path + Array(name))
    }

    private func requestFetch(
        _ identity: VersionIdentity, flags: EntryRow.Flags, isLatest: Bool, wasDenied: Bool = false, valid: TimeSpan?,
        name: UnsafeRawBufferPointer
    ) throws {
        let key = path + Array(name)
        guard let etag = identity.etag, let filed = identity.contentETag(key: key, flags) else { return }
        summary.wants += 1
        summary.wantedBytes = summary.wantedBytes.addingClamped(identity.size)
        var replacedAt = Timestamp.distantFuture
        if !isLatest {
            replacedAt = identity.lastModified
            if let valid, valid.from != .max, valid.to != .max { replacedAt = Timestamp(milliseconds: valid.to) }
        }
        var request = FetchRequest(
            key: key, versionId: identity.versionId, etag: etag, contentETag: filed, size: identity.size,
            isLatest: isLatest, isOpaque: flags.contains(.opaque), isArchived: flags.contains(.archived),
            lastModified: identity.lastModified, replacedAt: replacedAt)
        request.wasDenied = wasDenied
        request.wantsHeaders = policy.headers == .all && !flags.contains(.headersKnown)
        try want(request)
    }

    /// Whether to ask for the headers of a version whose content is not requested.
    @inline(__always)
    private func asksHeaders(_ flags: EntryRow.Flags, _ name: UnsafeRawBufferPointer) -> Bool {
        policy.headers == .all && flags.intersection([.headersKnown, .marker, .present]) == .present && asks(name)
    }

    private func requestHeaders(
        _ identity: VersionIdentity, _ flags: EntryRow.Flags, isLatest: Bool, name: UnsafeRawBufferPointer
    ) throws {
        let key = path + Array(name)
        guard let etag = identity.etag, let filed = identity.contentETag(key: key, flags) else { return }
        summary.headerWants += 1
        var request = FetchRequest(
            key: key, versionId: identity.versionId, etag: etag, contentETag: filed, size: identity.size,
            isLatest: isLatest, isOpaque: flags.contains(.opaque), isArchived: flags.contains(.archived),
            lastModified: identity.lastModified, replacedAt: isLatest ? .distantFuture : identity.lastModified)
        request.wantsHeaders = true
        try wantHeaders(request)
    }

    /// Recomputes all rows of a key from what is known about it, and writes those that differ.
    private func rewrite(_ group: KeyGroup, name: UnsafeRawBufferPointer, _ frame: MergeFrame) throws {
        var versions = frame.isStored ? try reader.storedVersions(name, in: frame.directory, timeline) : []
        // What the inventory lists, it lists once: only what is stored has to be found again.
        var places: [VersionIdentity: Int] = [:]
        places.reserveCapacity(versions.count)
        for (place, version) in versions.enumerated() { places[version.evidence.identity] = place }
        // One array for all that are new: a key may have very many.
        let onlyHere = [RankInterval(rank, next)]
        let wasShown = versions.contains { !$0.evidence.identity.isMarker && $0.evidence.latest.contains(rank) }

        // Add what this inventory says to the evidence.
        var isListed = [Bool](repeating: false, count: versions.count)
        var isLatest = isListed
        for row in group.rows {
            let identity = row.identity
            let place: Int
            if let known = places[identity] {
                place = known
            } else {
                place = versions.count
                versions.append(
                    StoredVersion(
                        evidence: VersionEvidence(identity: identity, listed: onlyHere, latest: []),
                        flags: flags(row), rows: []))
                isListed.append(false)
                isLatest.append(false)
                count(newVersion: row)
            }
            isListed[place] = true
            isLatest[place] = row.marksLatest
            if row.facts.flags.contains(.opaque) { versions[place].flags.insert(.opaque) }
            let listed = versions[place].evidence.listed.setting(rank, true, next: next)
            if isLastListing(listed.last?.to ?? .max) {
                if row.facts.flags.contains(.archived) {
                    versions[place].flags.insert(.archived)
                } else {
                    versions[place].flags.remove(.archived)
                }
            }
        }
        for place in versions.indices {
            if !isListed[place], versions[place].evidence.listed.contains(rank) { summary.goneVersions += 1 }
            versions[place].evidence.listed = versions[place].evidence.listed.setting(rank, isListed[place], next: next)
            versions[place].evidence.latest = versions[place].evidence.latest.setting(rank, isLatest[place], next: next)
        }
        let isShown = versions.indices.contains { isLatest[$0] && !versions[$0].evidence.identity.isMarker }
        if wasShown, !isShown { summary.goneKeys += 1 }

        let succession = Succession(of: versions.map(\.evidence), timeline: timeline)
        for place in versions.indices {
            let version = versions[place]
            var flags = version.flags
            settlePruned(
                &flags, version, isLatest: isLatest[place], valid: succession.valid[place], path + Array(name))
            var checks: ChangeChecks = []
            if isListed[place], !version.evidence.identity.isMarker, !flags.contains(.pruned),
                !flags.contains(.present) || needsOwnContent(flags), asks(name), isMissingOrBack(version, name)
            {
                checks = .blob
                if policy.distrustsETags { flags.insert(.filedByVersion) }
                try request(
                    version, &flags, isLatest: isLatest[place], valid: succession.valid[place].last, name: name)
            } else if !isListed[place], isNewest, flags.contains(.expected) {
                try settleUnlisted(&flags, version, valid: succession.valid[place].last, name: name)
                if flags.contains(.gone) { checks = .blob }
            } else if isListed[place], asksHeaders(flags, name) {
                checks = [.headers, .onlyHeaders]
                try requestHeaders(
                    version.evidence.identity, flags, isLatest: isLatest[place], name: name)
            }
            try writeRows(version, flags: flags, valid: succession.valid[place], name: name, frame, checks)
            try changes.flushIfFull()
        }
    }

    /// Requests the content of a listed version, or leaves it out and counts it.
    private func request(
        _ version: StoredVersion, _ flags: inout EntryRow.Flags, isLatest: Bool, valid: TimeSpan?,
        name: UnsafeRawBufferPointer
    ) throws {
        let identity = version.evidence.identity
        if policy.leavesOut(flags, size: identity.size) {
            // What is refused and not expected is encrypted with a key of its owner: this is not.
            if flags.contains(.expected) { flags.remove(.refused) }
            // The blob may still have come under another key.
            flags.subtract([.gone, .foundArchived, .expected])
            summary.leftOut(flags, size: identity.size)
        } else {
            flags.subtract(EntryRow.Flags.absence)
            flags.insert(.expected)
            try requestFetch(
                identity, flags: flags, isLatest: isLatest,
                wasDenied: !version.flags.isDisjoint(with: [.refused, .gone]), valid: valid, name: name)
        }
    }

    /// A version without its content that the newest inventory no longer lists: whoever refused it does not say that it is
    /// gone (without permission to list the bucket, S3 never does), and what failed for another reason is requested once
    /// more.
    private func settleUnlisted(
        _ flags: inout EntryRow.Flags, _ version: StoredVersion, valid: TimeSpan?, name: UnsafeRawBufferPointer
    ) throws {
        // Whether it is gone is decided when the rows are written, by what was answered last.
        switch flags.state {
        case .refused:
            flags.remove(.refused)
            flags.insert(.gone)
        case .missing where asks(name):
            try requestFetch(version.evidence.identity, flags: flags, isLatest: false, valid: valid, name: name)
            flags.insert(.gone)
        case .present, .missing, .archived, .gone, .pruned, .unrequested: break
        }
    }

    /// Whether the version must have its own content, but has one that it may share with others.
    private func needsOwnContent(_ flags: EntryRow.Flags) -> Bool {
        policy.distrustsETags && !flags.contains(.filedByVersion)
    }

    private func isMissingOrBack(_ version: StoredVersion, _ name: UnsafeRawBufferPointer) -> Bool {
        let flags = policy.distrustsETags ? version.flags.union(.filedByVersion) : version.flags
        guard version.flags.contains(.gone) || needsOwnContent(version.flags),
            let etag = version.evidence.identity.contentETag(key: path + Array(name), flags)
        else { return true }
        return (version.evidence.identity.versionId ?? []).withUnsafeBytes { versionId in
            isBack(name, versionId: versionId, etag: etag)
        }
    }

    /// After a prune: a version that a view shows again is requested again; a late one that no view can show is not
    /// requested at all.
    private func settlePruned(
        _ flags: inout EntryRow.Flags, _ version: StoredVersion, isLatest: Bool, valid: [TimeSpan],
        _ key: @autoclosure () -> [UInt8]
    ) {
        if timeline.horizons.isEmpty || version.evidence.identity.isMarker { return }
        func isShown(since horizon: Timestamp) -> Bool {
            isLatest || valid.contains { (interval: TimeSpan) in interval.to > horizon.milliseconds }
        }
        if flags.contains(.pruned) {
            if isShown(since: timeline.horizon(of: key())) { flags.remove(.pruned) }
        } else if version.rows.isEmpty, timeline.horizon != .distantPast, !isShown(since: timeline.horizon) {
            flags.insert(.pruned)
        }
    }

    private func writeRows(
        _ version: StoredVersion, flags: EntryRow.Flags, valid: [TimeSpan], name: UnsafeRawBufferPointer,
        _ frame: MergeFrame, _ checks: ChangeChecks
    ) throws {
        let evidence = version.evidence
        let count = max(1, evidence.listed.count, evidence.latest.count, valid.count)
        var entry = EntryRow(name: name)
        entry.size = evidence.identity.size
        entry.lastModified = evidence.identity.lastModified
        entry.versionIsUnknown = evidence.identity.versionId == nil
        let etag = evidence.identity.etag?.bytesOfRow ?? []
        entry.etagIsText = evidence.identity.etag?.verbatim != nil
        try (evidence.identity.versionId ?? []).withUnsafeBytes { versionId in
            try etag.withUnsafeBytes { etag in
                entry.versionId = versionId
                entry.etag = etag
                for index in 0..<count {
                    let stored = index < version.rows.count ? version.rows[index] : nil
                    let row = StoredTenure(
                        slot: try stored?.slot ?? takeSlot(frame), flags: flags,
                        headers: version.headers, valid: index < valid.count ? valid[index] : nil,
                        seen: index < evidence.latest.count ? evidence.latest[index] : nil,
                        listed: index < evidence.listed.count ? evidence.listed[index] : nil, timeline)
                    if row != stored || checks != [] {
                        changes.put(
                            row, entry, in: frame.directory, isNew: stored == nil, prefix: checks == [] ? [] : path,
                            checks: row == stored ? checks : checks.subtracting(.onlyHeaders))
                    }
                    frame.add(row, isShown: !evidence.identity.isMarker, timeline)
                }
            }
        }
        for row in version.rows.dropFirst(count) {
            changes.delete(slot: row.slot, name: name, in: frame.directory)
        }
    }
}

extension KeyGroup {
    /// The index of the row for the same version as a row of the index; nil if there is none.
    @inline(__always)
    mutating func find(_ stored: EntryRow) -> Int? {
        if rows.count == 1 { return rows[0].isVersion(stored) ? 0 : nil }
        // In order of time: the first not earlier than the one sought, then those of the same time.
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].facts.lastModified < stored.lastModified { low = middle + 1 } else { high = middle }
        }
        let end = min(low + 16, rows.count)
        while low < end, rows[low].facts.lastModified == stored.lastModified {
            if rows[low].isVersion(stored) { return low }
            low += 1
        }
        guard low < rows.count, rows[low].facts.lastModified == stored.lastModified else { return nil }
        return findByHash(stored)
    }
}

extension KeyGroup.Row {
    /// Whether a row of the index is this version.
    @inline(__always)
    func isVersion(_ stored: EntryRow) -> Bool {
        guard facts.lastModified == stored.lastModified, facts.size == stored.size,
            versionIsUnknown == stored.versionIsUnknown, isMarker == stored.flags.contains(.marker),
            versionId.isEqual(to: stored.versionId)
        else { return false }
        if isMarker { return true }
        if hasVerbatimETag { return stored.etagIsText && etag.isEqual(to: stored.etag) }
        guard !stored.etagIsText, stored.etag.count >= 16 else { return false }
        return UInt64(bigEndian: stored.etag.loadUnaligned(as: UInt64.self)) == facts.etagHigh
            && UInt64(bigEndian: stored.etag.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) == facts.etagLow
            && (stored.etag.count >= 20
                ? UInt32(bigEndian: stored.etag.loadUnaligned(fromByteOffset: 16, as: UInt32.self)) : 0)
                == facts.etagParts
    }
}
