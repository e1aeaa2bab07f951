import Basics
import Glibc

/// What a file that is a pack, or was to become one, has sound records of, found without its directory: from record to record,
/// and behind a damaged one to the next place that has the pack's marker.
///
/// A content is taken for sound if its digest says so, whatever is damaged around it. The marker is a number that nobody knew
/// before the pack was begun: what looks like records inside of contents is not taken for some.
public struct PackScan {
    /// What is found, in the order of the file.
    public enum Stretch: Hashable, Sendable {
        case record(PackRecord)
        /// Bytes that are no sound records.
        case damage(Range<Int64>)
    }

    private let source: PackSource
    let marker: UInt32
    /// Where records can be: before the directory, as far as that is known.
    let limit: Int64
    /// Whether the header is sound.
    let hasHeader: Bool

    /// - Parameter places: where records may be, if more than the first place is known.
    /// - Throws: `damaged` if neither header nor trailer nor a record at these places says what the marker is; `unsupported` for
    ///   a format that only a newer Icecore knows.
    public init(path: String, records places: [UInt32] = []) throws {
        try self.init(PackSource(path: path, "pack"), records: places)
    }

    /// Scans a pack that is open: its contents in the order of the file, with memory for none of them.
    public init(_ pack: PackFile) {
        source = pack.source
        (marker, hasHeader, limit) = (pack.trailer.marker, true, pack.trailer.directory)
    }

    init(_ source: PackSource, records places: [UInt32] = []) throws {
        self.source = source
        let trailer = try PackTrailer(of: source)
        limit = trailer?.directory ?? source.size
        let length = Int64(PackFrame.headerLength)
        let header = try source.bytes(0..<min(length, source.size))
        if let marker = try header.withUnsafeBytes({ try PackFrame.marker(header: $0, path: source.path) }) {
            (self.marker, hasHeader) = (marker, true)
        } else if let trailer {
            (marker, hasHeader) = (trailer.marker, false)
        } else {
            hasHeader = false
            let found = [length] + places.map { Int64($0) }
            guard let marker = try PackScan.marker(source, found, limit) else {
                throw source.damage("neither a header nor a trailer")
            }
            self.marker = marker
        }
    }

    /// The marker of the first sound record at one of these places.
    private static func marker(_ source: PackSource, _ places: [Int64], _ limit: Int64) throws -> UInt32? {
        let window = PackWindow(source, limit: limit)
        for place in places where limit - place >= Int64(RecordHeader.shortest) {
            guard let bytes = try? window.bytes(at: place, 4) else { continue }
            let marker = bytes.number(at: 0, UInt32.self)
            if try record(window, at: place, marker, limit) != nil { return marker }
        }
        return nil
    }

    /// Scans the file.
    ///
    /// - Returns: where the sound part ends, which begins with the header and has nothing but whole sound records; 0 if the header
    ///   is damaged.
    @discardableResult
    public func run(_ found: (Stretch) throws -> Void) throws -> Int64 {
        let window = PackWindow(source, limit: limit)
        var place = min(Int64(PackFrame.headerLength), limit)
        var soundEnd: Int64?
        /// Where damage has begun.
        var gap: Int64?
        // A file made on purpose could have a great many markers, each of a record that is not sound. None of a writer has.
        var patience = 4 * source.size + 1 << 26
        while place < limit {
            if let record = try PackScan.record(window, at: place, marker, limit, &patience) {
                if let start = gap { try found(.damage(start..<place)) }
                gap = nil
                try found(.record(record))
                place = record.end
                continue
            }
            guard patience > 0 else { throw source.damage("so much damage that it cannot be scanned") }
            if gap == nil { gap = place }
            soundEnd = soundEnd ?? place
            place = try PackScan.nextMarker(window, from: place + 1, marker, limit)
        }
        if let start = gap { try found(.damage(start..<limit)) }
        return hasHeader ? soundEnd ?? limit : 0
    }

    private static func record(
        _ window: PackWindow, at place: Int64, _ marker: UInt32, _ limit: Int64
    ) throws -> PackRecord? {
        var patience = Int64.max
        return try record(window, at: place, marker, limit, &patience)
    }

    /// The sound record at a place; nil if there is none.
    private static func record(
        _ window: PackWindow, at place: Int64, _ marker: UInt32, _ limit: Int64, _ patience: inout Int64
    ) throws -> PackRecord? {
        do throws(IcecoreError) {
            guard let start = UInt32(exactly: place), let header = try window.header(at: place, marker: marker),
                place + Int64(header.length) + Int64(header.size) <= limit
            else { return nil }
            patience -= Int64(header.size) + Int64(header.length)
            return try window.record(header, at: start)
        } catch {
            // What the disk cannot read is damage.
            guard error.errno == EIO else { throw error }
            return nil
        }
    }

    /// The next place that has the marker; the limit if none has.
    private static func nextMarker(
        _ window: PackWindow, from start: Int64, _ marker: UInt32, _ limit: Int64
    ) throws -> Int64 {
        var place = start
        let first = Int32(marker >> 24)
        while limit - place >= Int64(RecordHeader.shortest) {
            let bytes: UnsafeRawBufferPointer
            do throws(IcecoreError) {
                bytes = try window.bytes(at: place, 1 << 12)
            } catch {
                guard error.errno == EIO else { throw error }
                place = (place / 4096 + 1) * 4096
                continue
            }
            let end = bytes.count - 3
            var next = 0
            while next < end, let base = bytes.baseAddress, let hit = memchr(base + next, first, end - next) {
                let found = UnsafeRawPointer(hit) - base
                if bytes.number(at: found, UInt32.self) == marker { return place + Int64(found) }
                next = found + 1
            }
            place += Int64(end)
        }
        return limit
    }
}
