import Basics
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
    /// - Parameters:
    ///   - sound: called for each sound content, in the order of the file.
    ///   - damaged: called for each other one.
    /// - Throws: `damaged` if the directory itself is, or does not belong to such records.
    public func verify(
        _ sound: (PackRecord) throws -> Void = { _ in }, damaged: (DamagedRecord) throws -> Void
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
            if let header = try window.header(at: Int64(entry.place), marker: trailer.marker),
                Int64(entry.place) + Int64(header.length) + Int64(header.size) == end,
                let record = try window.record(header, at: entry.place), PackKey(record.name) == entry.key
            {
                try sound(record)
            } else {
                try damaged(DamagedRecord(place: entry.place, key: entry.key))
            }
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
