import Basics

/// Keeps changes in an unnamed file, which disappears with the process, until they can be applied.
public final class ChangeSpool: ChangeSink {
    private let file: File
    /// Whether no changes have come.
    public private(set) var isEmpty = true

    /// - Parameter directory: the store's `tmp/`.
    public init(directory: String) throws {
        file = try File.unnamed(in: directory)
    }

    public func take(_ buffer: ChangeBuffer) throws -> ChangeBuffer {
        isEmpty = false
        var length = UInt64(buffer.used)
        try withUnsafeBytes(of: &length) { try file.write($0) }
        try file.write(UnsafeRawBufferPointer(start: buffer.bytes, count: buffer.used))
        buffer.removeAll()
        return buffer
    }

    /// Passes all changes to `sink`, in order.
    public func replay(into sink: ChangeSink) throws {
        var buffer = ChangeBuffer()
        var offset: Int64 = 0
        let end = try file.size()
        while offset < end {
            var length: UInt64 = 0
            try withUnsafeMutableBytes(of: &length) { try file.read(into: $0, at: offset) }
            offset += 8
            try buffer.fill(count: Int(length)) { try file.read(into: $0, at: offset) }
            offset += Int64(length)
            buffer = try sink.take(buffer)
        }
    }
}
