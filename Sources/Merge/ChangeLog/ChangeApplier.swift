import Basics
import Blobs
import Index
import Model
import SQLite

/// Applies changes to the index, in one transaction that its owner begins and ends.
package final class ChangeApplier: ChangeSink {
    private let insertDirectory: Statement
    private let updateSlots: Statement
    private let insert: Statement
    private let replace: Statement
    private let delete: Statement
    private let insertLongName: Statement
    private let old: Statement
    private let facts: BlobFacts
    private let failure: Statement
    private let markGone: Statement
    private let forget: Statement
    private let headers: ArrivedHeaders?
    private let blobs: BlobFinder
    private let distrustsETags: Bool
    /// The contents that rows have found.
    package let arrived = ArrivedContents()
    /// Rows that requested their blob, by outcome.
    package private(set) var present = 0
    package private(set) var missing = 0
    package private(set) var gone = 0
    /// The change in the sum of the rows' digests.
    package private(set) var digest: UInt64 = 0

    /// - Parameters:
    ///   - distrustsETags: a version's own content takes precedence over a shared one.
    ///   - headers: those that have come, and that no row has yet.
    package init(
        _ connection: Connection, blobs: Blobs, distrustsETags: Bool, headers: ArrivedHeaders? = nil
    ) throws {
        self.blobs = BlobFinder(blobs)
        self.headers = headers
        self.distrustsETags = distrustsETags
        insertDirectory = try connection.prepare("INSERT INTO directory (id, parent, name, slots) VALUES (?, ?, ?, ?)")
        updateSlots = try connection.prepare("UPDATE directory SET slots = ?2 WHERE id = ?1")
        let row = """
            INTO entry (directory, name, slot, flags, validFrom, validTo, seenFrom, seenTo, listedFrom,
                listedTo, child, size, lastModified, versionId, etag, headers)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """
        insert = try connection.prepare("INSERT \(row)")
        replace = try connection.prepare("REPLACE \(row)")
        delete = try connection.prepare("DELETE FROM entry WHERE directory = ? AND name = ? AND slot = ?")
        insertLongName = try connection.prepare(
            "INSERT OR IGNORE INTO longName (directory, sha256, name) VALUES (?, ?, ?)")
        let columns = try connection.entryColumns()
        old = try connection.prepare(
            "SELECT \(columns) FROM entry WHERE directory = ?1 AND name = ?2 AND slot = ?3")
        facts = try BlobFacts(connection)
        forget = try connection.prepare("DELETE FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
        markGone = try connection.prepare(BlobFlags.unlist)
        failure = try connection.prepare(
            "SELECT state, gone FROM failure WHERE key = ? AND versionId = ? AND etag = ?")
    }

    package func take(_ buffer: ChangeBuffer) throws -> ChangeBuffer {
        var position = UnsafeRawPointer(buffer.bytes)
        let end = position + buffer.used
        while position < end {
            let header = position.loadUnaligned(as: ChangeBuffer.Header.self)
            position += MemoryLayout<ChangeBuffer.Header>.size
            func piece(_ length: UInt32) -> UnsafeRawBufferPointer {
                let piece = UnsafeRawBufferPointer(start: position, count: Int(length))
                position += Int(length)
                return piece
            }
            let key = piece(header.keyLength)
            let versionId = piece(header.versionLength)
            let etag = piece(header.etagLength)
            try apply(header, key, versionId, etag)
        }
        buffer.removeAll()
        return buffer
    }

    private func apply(
        _ header: ChangeBuffer.Header, _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer,
        _ etag: UnsafeRawBufferPointer
    ) throws {
        let name = UnsafeRawBufferPointer(rebasing: key[(key.count - Int(header.nameLength))...])
        switch header.kind {
        case .directory:
            insertDirectory.bind(1, header.directory)
            insertDirectory.bind(2, header.child)
            insertDirectory.bind(text: name, 3)
            insertDirectory.bind(4, header.slot)
            try insertDirectory.run()
        case .slots:
            updateSlots.bind(1, header.directory)
            updateSlots.bind(2, header.slot)
            try updateSlots.run()
        case .insert, .put:
            let put = header.kind == .insert ? insert : replace
            var flags = header.flags
            if header.checks.contains(.blob) { flags = try outcome(header, key, versionId, etag).rawValue }
            var known = HeaderState(flags, header.headers)
            if header.checks != [], try !take(&known, key, versionId, etag), header.checks.contains(.onlyHeaders) {
                return
            }
            if header.kind == .put { known.keep(try forget(name, header)) }
            flags = known.apply(to: flags)
            digest &+= RowDigest.of(header.row(name, versionId, etag), in: header.directory)
            put.bind(1, header.directory)
            put.bind(text: name, 2)
            put.bind(3, header.slot)
            put.bind(4, flags)
            put.bind(5, header.validFrom, nullIf: .max)
            put.bind(6, header.validTo, nullIf: .max)
            put.bind(7, header.seenFrom, nullIf: 0)
            put.bind(8, header.seenTo, nullIf: 0)
            put.bind(9, header.listedFrom, nullIf: 0)
            put.bind(10, header.listedTo, nullIf: 0)
            if header.child != 0 {
                put.bind(11, header.child)
                for column in Int32(12)...16 { put.bindNull(column) }
            } else {
                put.bindNull(11)
                put.bind(12, header.size)
                put.bind(13, header.lastModified, nullIf: header.validFrom)
                if header.versionIsUnknown { put.bindNull(14) } else { put.bind(text: versionId, 14) }
                if etag.isEmpty {
                    put.bindNull(15)
                } else if header.etagIsText {
                    put.bind(text: etag, 15)
                } else {
                    put.bind(blob: etag, 15)
                }
                put.bind(16, known.set, nullIf: 0)
            }
            try put.run()
        case .delete:
            _ = try forget(name, header)
            delete.bind(1, header.directory)
            delete.bind(text: name, 2)
            delete.bind(3, header.slot)
            try delete.run()
        case .longName:
            insertLongName.bind(1, header.directory)
            insertLongName.bind(blob: etag, 2)
            insertLongName.bind(text: name, 3)
            try insertLongName.run()
        }
    }

    /// Takes over the headers that have come for a version; false if there are none.
    private func take(
        _ state: inout HeaderState, _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer,
        _ etag: UnsafeRawBufferPointer
    ) throws -> Bool {
        guard let found = try headers?.find(key: key, versionId: versionId, etag: etag) else { return false }
        state = HeaderState(set: found.set, isComplete: found.isComplete)
        return true
    }

    /// Removes a row that is about to go from the digest.
    ///
    /// - Returns: what it says of headers.
    private func forget(_ name: UnsafeRawBufferPointer, _ header: ChangeBuffer.Header) throws -> HeaderState {
        old.bind(1, header.directory)
        old.bind(text: name, 2)
        old.bind(3, header.slot)
        defer { old.reset() }
        guard try old.step() else { return HeaderState(0, 0) }
        let row = EntryRow(old)
        digest &-= RowDigest.of(row, in: header.directory)
        return HeaderState(row.flags.rawValue, row.headers)
    }

    /// Determines what has become of the blob that a row requested, or that may have come although it did not.
    ///
    /// - Returns: the row's flags. A row whose own content could not be fetched keeps the one that it had, and requests
    ///   its own again.
    private func outcome(
        _ header: ChangeBuffer.Header, _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer,
        _ etag: UnsafeRawBufferPointer
    ) throws -> EntryRow.Flags {
        var flags = EntryRow.Flags(rawValue: header.flags)
        let wasPresent = flags.contains(.present)
        let isExpected = flags.contains(.expected)
        flags.remove(.present)
        var row = EntryRow(name: key)
        row.etag = etag
        row.etagIsText = header.etagIsText
        guard let shared = row.etagValue else { return flags }
        var looked = shared
        if distrustsETags || flags.contains(.filedByVersion) {
            let own = shared.filed(
                key: Array(key), versionId: header.versionIsUnknown ? nil : Array(versionId),
                lastModified: Timestamp(milliseconds: header.lastModified))
            if try findBlob(etag: own, size: header.size) {
                note(own, header.size)
                return flags.subtracting(EntryRow.Flags.absence).union([.filedByVersion, .present, .expected])
            }
            if flags.contains(.filedByVersion) { looked = own }
        }
        if !flags.contains(.filedByVersion) || wasPresent, try findBlob(etag: shared, size: header.size) {
            note(shared, header.size)
            return flags.subtracting(EntryRow.Flags.absence.union(.filedByVersion)).union([.present, .expected])
        }
        guard isExpected else {
            // Why it could not be had before it was archived no longer matters.
            if flags.contains(.archived) { try bind(forget, key, versionId, looked) { try forget.run() } }
            return flags
        }
        let failure = try recordedFailure(key, versionId, looked)
        if flags.contains(.gone) {
            // Only the merge says so of a row that is checked: the newest inventory does not list the version.
            guard failure == .refused || failure == .gone else { return settle(flags.subtracting(.gone), failure) }
            gone += 1
            if failure == .refused { try bind(markGone, key, versionId, looked) { try markGone.run() } }
            return flags
        }
        return settle(flags, failure)
    }

    private func note(_ etag: ETag, _ size: Int64) {
        present += 1
        arrived.add(etag, size)
    }

    /// Why a request for a content failed; nil without a record.
    private func recordedFailure(
        _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer, _ etag: ETag
    ) throws -> FetchFailure? {
        try bind(failure, key, versionId, etag) {
            defer { failure.reset() }
            guard try failure.step() else { return nil }
            let state = String(decoding: failure.bytes(0), as: UTF8.self)
            return state == FetchFailure.unlisted
                ? .refused : FetchFailure(text: state, isGone: failure.integer(1) != 0)
        }
    }

    private func bind<Result>(
        _ statement: Statement, _ key: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer, _ etag: ETag,
        _ body: () throws -> Result
    ) throws -> Result {
        let text = Array(etag.description.utf8)
        return try text.withUnsafeBytes { bytes in
            statement.bind(text: key, 1)
            statement.bind(text: versionId, 2)
            statement.bind(text: bytes, 3)
            return try body()
        }
    }

    /// The flags of a row whose blob has not come.
    private func settle(_ flags: EntryRow.Flags, _ failure: FetchFailure?) -> EntryRow.Flags {
        switch failure {
        case .gone:
            gone += 1
            return flags.union(.gone)
        case .refused:
            missing += 1
            return flags.union(.refused)
        case .encrypted: return flags.subtracting(.expected).union(.refused)
        case .archived:
            return flags.contains(.archived) ? flags.subtracting(.expected) : flags.union(.foundArchived)
        case nil where flags.contains(.archived): return flags.subtracting(.expected)
        case .missing, nil:
            missing += 1
            return flags
        }
    }

    /// Whether the blob is in the store.
    func findBlob(etag: ETag, size: Int64) throws -> Bool {
        try blobs.has(etag: etag, size: size) { try facts.find(etag: etag, size: size).sha256 }
    }
}

/// What a row says of headers.
private struct HeaderState {
    var set: Int64
    var isComplete: Bool

    init(set: Int64, isComplete: Bool) {
        self.set = set
        self.isComplete = isComplete
    }

    init(_ flags: Int64, _ set: Int64) {
        self.init(set: set, isComplete: flags & EntryRow.Flags.headersKnown.rawValue != 0)
    }

    /// Keeps what the row has got since the merge read it: a mount may have learnt it.
    @inline(__always)
    mutating func keep(_ old: HeaderState) {
        if !isComplete, old.isComplete || set == 0 { self = old }
    }

    @inline(__always)
    func apply(to flags: Int64) -> Int64 {
        let known = EntryRow.Flags.headersKnown.rawValue
        return isComplete ? flags | known : flags & ~known
    }
}

extension ChangeBuffer.Header {
    /// The row as it will be read back.
    @inline(__always)
    fileprivate func row(
        _ name: UnsafeRawBufferPointer, _ versionId: UnsafeRawBufferPointer, _ etag: UnsafeRawBufferPointer
    ) -> EntryRow {
        var row = EntryRow(name: name)
        row.slot = slot
        row.flags = EntryRow.Flags(rawValue: flags)
        row.valid = TimeSpan(validFrom, validTo)
        row.seenFrom = seenFrom
        row.seenTo = seenTo
        row.listedFrom = listedFrom
        row.listedTo = listedTo
        row.child = child
        guard child == 0 else { return row }
        row.size = size
        row.lastModified = Timestamp(milliseconds: lastModified)
        row.versionIsUnknown = versionIsUnknown
        if !versionIsUnknown { row.versionId = versionId }
        row.etag = etag
        row.etagIsText = etagIsText && !etag.isEmpty
        return row
    }
}
