import Basics
import Glibc

/// An open file that any number of threads may read: pread(2) has no position.
final class PackSource: Sendable {
    private let file: File
    let size: Int64
    let path: String
    /// What messages call it.
    let title: String

    init(_ file: consuming File, _ title: String) throws(IcecoreError) {
        size = try file.size()
        path = file.path
        self.title = title
        self.file = file
    }

    /// Opens a file. A link in its place, which could lead to anything that this user can read, is not followed.
    convenience init(path: String, _ title: String) throws(IcecoreError) {
        let file: File
        do throws(IcecoreError) {
            file = try File.regular(path, followsLinks: false)
        } catch {
            guard error.errno == ELOOP else { throw error }
            throw IcecoreError(.damaged, "the \(title) '\(path)' is a symbolic link")
        }
        try self.init(file, title)
    }

    var descriptor: Int32 { file.descriptor }

    /// Fills the buffer with the bytes from `offset`.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(IcecoreError) {
        guard offset >= 0, offset <= size, Int64(buffer.count) <= size - offset else {
            throw IcecoreError(.damaged, "the \(title) '\(path)' ends too early")
        }
        try file.read(into: buffer, at: offset)
    }

    /// The same; where the disk has to be asked, it is asked for more at once, since that takes it hardly longer.
    ///
    /// - Parameter around: what is likely to be wanted next.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, around: Range<Int64>
    ) throws(IcecoreError) {
        let isInside = offset >= 0 && offset <= size && Int64(buffer.count) <= size - offset
        if isInside {
            if File.readCached(file.descriptor, into: buffer, at: offset) == buffer.count { return }
            file.beginReading(around.clamped(to: 0..<size))
        }
        try read(into: buffer, at: offset)
    }

    func bytes(_ range: Range<Int64>) throws -> [UInt8] {
        guard range.upperBound <= size else { throw damage("an end before its time") }
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: range.lowerBound) }
        return bytes
    }

    /// That the file has something that it must not have.
    func damage(_ what: String) -> IcecoreError {
        IcecoreError(.damaged, "the \(title) '\(path)' has \(what)")
    }

    /// The SHA-256 of some bytes.
    func digest(_ range: Range<Int64>) throws -> [UInt8] {
        let window = PackWindow(self, limit: range.upperBound)
        var digester = SHA256()
        var place = range.lowerBound
        while place < range.upperBound {
            let piece = try window.piece(at: place, upTo: range.upperBound)
            digester.update(piece)
            place += Int64(piece.count)
        }
        return digester.finalize()
    }
}

/// A piece of a file in memory, for those who read from its beginning to its end.
final class PackWindow {
    private static let capacity = 1 << 20
    private let source: PackSource
    private let limit: Int64
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: PackWindow.capacity, alignment: 16)
    private var start: Int64 = 0
    private var count = 0

    init(_ source: PackSource, limit: Int64) {
        self.source = source
        self.limit = min(limit, source.size)
    }

    deinit {
        bytes.deallocate()
    }

    /// Up to `count` bytes, which is little, fewer only at the limit. Valid until the next call.
    func bytes(at place: Int64, _ count: Int) throws(IcecoreError) -> UnsafeRawBufferPointer {
        let wanted = Int(min(Int64(count), limit - place))
        if place < start || place + Int64(wanted) > start + Int64(self.count) { try load(place, least: wanted) }
        let first = Int(place - start)
        return UnsafeRawBufferPointer(rebasing: bytes[first..<first + wanted])
    }

    /// As many bytes as there are at once. Valid until the next call.
    func piece(at place: Int64, upTo end: Int64) throws(IcecoreError) -> UnsafeRawBufferPointer {
        if place < start || place >= start + Int64(count) { try load(place, least: 1) }
        let first = Int(place - start)
        let last = Int(min(Int64(count), end - start))
        return UnsafeRawBufferPointer(rebasing: bytes[first..<last])
    }

    /// - Parameter least: how many bytes have to be there.
    private func load(_ place: Int64, least: Int) throws(IcecoreError) {
        try Interruption.check()
        var count = Int(min(Int64(PackWindow.capacity), limit - place))
        self.count = 0
        do throws(IcecoreError) {
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), at: place)
        } catch {
            // One bad sector must not take what lies around it with it.
            guard error.errno == EIO else { throw error }
            count = min(count, max(least, 4096 - Int(place % 4096)))
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), at: place)
        }
        (start, self.count) = (place, count)
    }
}
