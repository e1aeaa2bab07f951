import Basics
import Glibc
import Model

/// A record that is not what the directory of its pack says.
public struct DamagedRecord: Hashable, Sendable {
    public let place: UInt32
    /// Of the content that was there.
    public let key: PackKey
}

extension PackFile {
    /// Whether the file is, byte for byte, what its name says.
    public func isWhole(_ name: PackName) throws -> Bool {
        try source.digest(0..<source.size) == name.digest
    }

    /// Reads everything, and says which contents are damaged; memory for one entry of each content.
    ///
    /// With the header and the trailer, which were checked when it was opened, that is every byte of the file. A content that
    /// the disk cannot read is damaged.
    ///
    /// - Parameters:
    ///   - sound: called for each sound content, in the order of the file.
    ///   - damaged: called for each other one.
    ///   - isWanted: of a record's place: others are passed over.
    /// - Throws: `damaged` if the directory itself is, or does not belong to such records.
    public func verify(
        _ sound: (PackRecord) throws -> Void = { _ in }, damaged: (DamagedRecord) throws -> Void,
        only isWanted: (UInt32) throws -> Bool = { _ in true }
    ) throws {
        let blocks = directory.range(0..<directory.blockCount)
        guard try source.digest(blocks) == trailer.digest else { throw source.damage("a damaged directory") }
        let entries = try entriesByPlace()
        guard entries.first?.place == UInt32(PackFrame.headerLength) else {
            throw source.damage("bytes before its first record")
        }
        let window = PackWindow(source, limit: trailer.directory)
        for index in entries.indices {
            let entry = entries[index]
            // Between two records there is nothing: where one ends is known from where the next begins.
            let end = index + 1 < entries.count ? Int64(entries[index + 1].place) : trailer.directory
            guard end - Int64(entry.place) >= Int64(RecordHeader.shortest) else {
                throw source.damage("a directory with records that overlap (at \(entry.place))")
            }
            guard try isWanted(entry.place) else { continue }
            if let record = try record(entry, upTo: end, window) {
                try sound(record)
            } else {
                try damaged(DamagedRecord(place: entry.place, key: entry.key))
            }
        }
    }

    private func record(_ entry: PackEntry, upTo end: Int64, _ window: PackWindow) throws(IcecoreError) -> PackRecord? {
        do throws(IcecoreError) {
            guard let header = try window.header(at: Int64(entry.place), marker: trailer.marker),
                Int64(entry.place) + Int64(header.length) + Int64(header.size) == end,
                let record = try window.record(header, at: entry.place), PackKey(record.name) == entry.key
            else { return nil }
            return record
        } catch {
            guard error.errno == EIO else { throw error }
            return nil
        }
    }

    /// What the header of a record says that its content is named; nil if the header is damaged, or the name a SHA-256, of
    /// which only the content or somebody else knows the rest.
    public func name(ofRecordAt place: UInt32, _ key: PackKey) -> BlobName? {
        var bytes = [UInt8](repeating: 0, count: RecordHeader.longest)
        let length = min(Int64(bytes.count), trailer.directory - Int64(place))
        guard length >= Int64(RecordHeader.shortest) else { return nil }
        return bytes.withUnsafeMutableBytes { buffer in
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(length)])
            guard (try? source.read(into: part, at: Int64(place))) != nil,
                let header = RecordHeader(UnsafeRawBufferPointer(part), marker: trailer.marker)
            else { return nil }
            let etag: ETag?
            switch header.kind {
            case .plain: etag = ETag(high: key.high, low: key.low, parts: 0)
            case .multipart: etag = header.etag
            case .sha256: etag = nil
            }
            guard let etag, case let name = BlobName.etag(etag, size: Int64(header.size)), PackKey(name) == key,
                header.belongs(to: name, at: place, UnsafeRawBufferPointer(part))
            else { return nil }
            return name
        }
    }

    /// Says what it has, in the order of the file, by the headers of the records: contents are read only where the name is the
    /// SHA-256. Memory for one entry of each content.
    ///
    /// - Parameter damaged: called for each record whose header is damaged.
    public func forEachRecord(
        _ body: (PackRecord) throws -> Void, damaged: (DamagedRecord) throws -> Void = { _ in }
    ) throws {
        let window = PackWindow(source, limit: trailer.directory)
        for entry in try entriesByPlace() {
            try Interruption.check()
            if let found = try record(of: entry, window) {
                try body(found)
            } else {
                try damaged(DamagedRecord(place: entry.place, key: entry.key))
            }
        }
    }

    /// What an entry leads to, by the header of the record; nil if that is damaged, or another content's.
    public func record(of entry: PackEntry) throws -> PackRecord? {
        try record(of: entry, PackWindow(source, limit: trailer.directory))
    }

    private func record(of entry: PackEntry, _ window: PackWindow) throws -> PackRecord? {
        let length = Int(max(0, min(Int64(RecordHeader.longest), trailer.directory - Int64(entry.place))))
        let found = try withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { buffer -> PackRecord? in
            try source.read(into: buffer, at: Int64(entry.place))
            let bytes = UnsafeRawBufferPointer(buffer)
            guard let header = RecordHeader(bytes, marker: trailer.marker) else { return nil }
            let name: BlobName
            switch header.kind {
            case .plain:
                name = .etag(ETag(high: entry.key.high, low: entry.key.low, parts: 0), size: Int64(header.size))
            case .multipart:
                guard let etag = header.etag else { return nil }
                name = .etag(etag, size: Int64(header.size))
            case .sha256: return try window.record(header, at: entry.place)
            }
            guard header.belongs(to: name, at: entry.place, bytes) else { return nil }
            return PackRecord(name: name, place: entry.place)
        }
        guard let found, PackKey(found.name) == entry.key, found.end <= trailer.directory else { return nil }
        return found
    }

    private func entriesByPlace() throws -> [PackEntry] {
        var entries: [PackEntry] = []
        entries.reserveCapacity(count)
        let cursor = self.entries()
        while let entry = try cursor.read() { entries.append(entry) }
        entries.sort { $0.place < $1.place }
        return entries
    }
}
