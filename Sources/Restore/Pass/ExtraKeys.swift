import Basics
import Store

/// Keys that the target has besides, written down until the whole view has been compared: in a file without a name.
final class ExtraKeys {
    private let file: File
    private var buffer: [UInt8] = []
    private var length: Int64 = 0
    private(set) var count: Int64 = 0
    private static let piece = 1 << 18

    init(_ store: Store) throws {
        file = try File.unnamed(in: store.temporaryPath)
    }

    func add(_ key: [UInt8], size: Int64) throws {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: key.count).littleEndian) { buffer += $0 }
        withUnsafeBytes(of: size.littleEndian) { buffer += $0 }
        buffer += key
        count += 1
        if buffer.count >= ExtraKeys.piece { try flush() }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try file.write($0, at: length) }
        length += Int64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Passes all keys in batches.
    func forEachBatch(of most: Int, _ body: ([(key: [UInt8], size: Int64)]) throws -> Void) throws {
        try flush()
        var batch: [(key: [UInt8], size: Int64)] = []
        var position: Int64 = 0
        while position < length {
            var head = [UInt8](repeating: 0, count: 12)
            try head.withUnsafeMutableBytes { try file.read(into: $0, at: position) }
            let (keyLength, size) = head.withUnsafeBytes {
                (
                    Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))),
                    Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: Int64.self))
                )
            }
            guard keyLength <= 1 << 16 else { throw IcecoreError(.damaged, "the list of keys to delete is damaged") }
            var key = [UInt8](repeating: 0, count: keyLength)
            try key.withUnsafeMutableBytes { try file.read(into: $0, at: position + 12) }
            position += 12 + Int64(keyLength)
            batch.append((key, size))
            if batch.count == most {
                try body(batch)
                batch.removeAll(keepingCapacity: true)
            }
        }
        if !batch.isEmpty { try body(batch) }
    }
}
