import Basics
import Glibc
import Model

/// A pack: contents in one file, which was written once and is never changed. Any number of threads may use it.
///
/// Nothing in the file is believed before a check says so; the checks are those of docs/FORMAT.md.
public final class PackFile: Sendable {
    let source: PackSource
    let trailer: PackTrailer
    let directory: SortedBlocks

    /// Opens a pack and checks its header and its trailer: two reads, however much is in it.
    ///
    /// - Throws: `damaged` if it is none; ``PackScan`` may find some of its contents nevertheless. `unsupported` for a format
    ///   that only a newer Icecore knows.
    public convenience init(path: String) throws {
        try self.init(PackSource(path: path, "pack"))
    }

    /// Takes over an open file.
    public convenience init(_ file: consuming File) throws {
        try self.init(PackSource(file, "pack"))
    }

    init(_ source: PackSource) throws {
        guard source.size >= Int64(PackFrame.headerLength + PackFrame.trailerLength) else {
            throw IcecoreError(.damaged, "'\(source.path)' is too short for a pack")
        }
        let header = try source.bytes(0..<Int64(PackFrame.headerLength))
        guard let marker = try header.withUnsafeBytes({ try PackFrame.marker(header: $0, path: source.path) }) else {
            throw source.damage("a damaged header")
        }
        guard let trailer = try PackTrailer(of: source), trailer.marker == marker else {
            throw source.damage("a damaged trailer, or none")
        }
        self.source = source
        self.trailer = trailer
        directory = SortedBlocks(
            source: source, layout: .directory, marker: marker, start: trailer.directory, count: Int64(trailer.count),
            places: Int64(PackFrame.headerLength)..<trailer.directory - Int64(RecordHeader.shortest) + 1)
    }

    /// Opens a pack to read records whose places are known: its directory is not needed, and header and trailer may be damaged.
    /// What is at a place is checked there.
    ///
    /// - Throws: `damaged` if there is room for no record.
    public init(forRecordsOf path: String) throws {
        source = try PackSource(path: path, "pack")
        let length = Int64(PackFrame.headerLength)
        let header = try source.bytes(0..<min(length, source.size))
        let marker = try header.withUnsafeBytes { try PackFrame.marker(header: $0, path: path) }
        if let trailer = try PackTrailer(of: source) {
            self.trailer = trailer
        } else if let marker {
            trailer = PackTrailer(directory: source.size, count: 0, contentBytes: 0, marker: marker, digest: [])
        } else {
            guard source.size >= length + 4 else { throw source.damage("neither a header nor a trailer") }
            // The first record has it, too; that it is the right one, each record's check says.
            let marker = try source.bytes(length..<length + 4).withUnsafeBytes { $0.number(at: 0, UInt32.self) }
            trailer = PackTrailer(directory: source.size, count: 0, contentBytes: 0, marker: marker, digest: [])
        }
        directory = SortedBlocks(
            source: source, layout: .directory, marker: trailer.marker, start: trailer.directory,
            count: Int64(trailer.count),
            places: length..<max(length, trailer.directory - Int64(RecordHeader.shortest) + 1))
    }

    /// How many contents it has.
    public var count: Int { Int(trailer.count) }
    /// The bytes of all contents, without what encloses them.
    public var contentBytes: Int64 { trailer.contentBytes }
    /// The bytes of the file.
    public var size: Int64 { source.size }

    /// Where the record of a content begins, according to the directory; nil if the pack does not have it.
    ///
    /// That the name is the one of the record there, and not one that shares its first 16 bytes, is known once that is read.
    public func find(_ name: BlobName) throws -> UInt32? {
        guard let key = PackKey(name) else { return nil }
        return try directory.find(key).first?.place
    }

    /// The contents in the order of their keys.
    public func entries() -> BlockCursor {
        BlockCursor(directory, buffer: 1 << 18)
    }

    /// The record at a place, if that has a content of this name: its header is checked, its content is not read.
    ///
    /// - Throws: `damaged` if there is no such record, whether it is damaged or another content's.
    public func record(at place: UInt32, _ name: BlobName) throws -> PackRecord {
        let record = try expected(at: place, name)
        let length = Int(record.content.lowerBound - Int64(place))
        try withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { buffer in
            try source.read(into: buffer, at: Int64(place))
            try check(UnsafeRawBufferPointer(buffer), record)
        }
        return record
    }

    /// As ``record(at:_:)``; nil if there is no such record, or the disk cannot read it.
    public func soundRecord(at place: UInt32, _ name: BlobName) throws -> PackRecord? {
        guard let record = fitting(at: place, name) else { return nil }
        let length = Int(record.content.lowerBound - Int64(place))
        return try withUnsafeTemporaryAllocation(byteCount: length, alignment: 8) { buffer in
            do throws(IcecoreError) {
                try source.read(
                    into: buffer, at: Int64(place), around: Int64(place)..<min(record.end, Int64(place) + 1 << 17))
            } catch {
                guard error.errno == EIO else { throw error }
                return nil
            }
            return header(UnsafeRawBufferPointer(buffer), record) == nil ? nil : record
        }
    }

    public var path: String { source.path }
    /// Whether it has a trailer, and so a directory: only one that was opened for its records can have none.
    public var hasDirectory: Bool { trailer.count > 0 }
    /// The descriptor that records are read from, for as long as this exists.
    public var descriptor: Int32 { source.descriptor }

    /// Reads a part of a content.
    ///
    /// - Parameters:
    ///   - record: what ``record(at:_:)`` gave.
    ///   - offset: in the content, which must have as many bytes as the buffer takes.
    public func read(_ record: PackRecord, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64)
        throws(IcecoreError)
    {
        guard offset >= 0, offset <= record.name.size, Int64(buffer.count) <= record.name.size - offset else {
            throw IcecoreError(.damaged, "'\(record.name.file)' ends too early")
        }
        try source.read(into: buffer, at: record.content.lowerBound + offset)
    }

    /// Reads a whole content at once, header and bytes in one read.
    ///
    /// - Parameters:
    ///   - isChecked: whether to check the content by its digest, too. The header is checked in any case.
    ///   - body: gets the content, which is valid for as long as the call takes.
    /// - Throws: `damaged` if there is no such record.
    public func withContent<Result>(
        at place: UInt32, _ name: BlobName, isChecked: Bool = true, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let record = try expected(at: place, name)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(record.end - Int64(place)), alignment: 16)
        defer { buffer.deallocate() }
        try source.read(into: buffer, at: Int64(place))
        let bytes = UnsafeRawBufferPointer(buffer)
        let header = try check(bytes, record)
        let content = UnsafeRawBufferPointer(rebasing: bytes[header.length...])
        if isChecked, !header.vouches(for: content, name) { throw damage(record) }
        return try body(content)
    }

    /// The record that must be at a place, if it lies between the header and the directory.
    private func expected(at place: UInt32, _ name: BlobName) throws(IcecoreError) -> PackRecord {
        guard let record = fitting(at: place, name) else {
            throw source.damage("no content '\(name.file)' at \(place)")
        }
        return record
    }

    private func fitting(at place: UInt32, _ name: BlobName) -> PackRecord? {
        let record = PackRecord(name: name, place: place)
        guard PackKey(name) != nil, directory.places.contains(Int64(place)), record.end <= trailer.directory else {
            return nil
        }
        return record
    }

    private func header(_ bytes: UnsafeRawBufferPointer, _ record: PackRecord) -> RecordHeader? {
        guard let header = RecordHeader(bytes, marker: trailer.marker),
            header.belongs(to: record.name, at: record.place, bytes)
        else { return nil }
        return header
    }

    @discardableResult
    private func check(_ bytes: UnsafeRawBufferPointer, _ record: PackRecord) throws(IcecoreError) -> RecordHeader {
        guard let header = header(bytes, record) else { throw damage(record) }
        return header
    }

    private func damage(_ record: PackRecord) -> IcecoreError {
        source.damage("no sound content '\(record.name.file)' at \(record.place)")
    }
}

extension PackTrailer {
    /// The trailer of a file; nil if it has none, or a damaged one.
    init?(of source: PackSource) throws {
        guard source.size >= Int64(PackFrame.headerLength + PackFrame.trailerLength) else { return nil }
        let bytes = try source.bytes(source.size - Int64(PackFrame.trailerLength)..<source.size)
        let size = source.size
        guard let trailer = bytes.withUnsafeBytes({ PackTrailer($0, fileSize: size) }) else { return nil }
        self = trailer
    }
}
