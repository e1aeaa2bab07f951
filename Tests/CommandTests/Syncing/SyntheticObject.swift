import Basics
import Foundation

/// A large object whose bytes the fault server makes up: 32 bytes, over and over.
struct SyntheticObject {
    let name: String
    let size: Int64
    /// Of its upload; nil: it was put in one piece.
    let partSize: Int64?

    var key: String { "synthetic/\(size)/\(name)" }

    private var pattern: [UInt8] { SHA256.digest(Array("\(size)/\(name)".utf8)) }

    /// Some of its bytes, from a multiple of 32 on.
    func bytes(_ offset: Int64, _ count: Int) -> [UInt8] {
        precondition(offset % 32 == 0)
        return Array([[UInt8]](repeating: pattern, count: count / 32 + 1).joined().prefix(count))
    }

    /// The MD5 of the first so many bytes.
    private func md5(_ count: Int64) -> [UInt8] {
        let block = [[UInt8]](repeating: pattern, count: 32768).flatMap { $0 }
        var digest = MD5()
        var rest = count
        block.withUnsafeBytes { bytes in
            while rest > 0 {
                let step = min(rest, Int64(bytes.count))
                digest.update(UnsafeRawBufferPointer(rebasing: bytes[..<Int(step)]))
                rest -= step
            }
        }
        return digest.finalize()
    }

    /// - Precondition: parts are multiples of 32 bytes, so that all of them are alike.
    var etag: String {
        guard let partSize else { return Hex.encode(md5(size)) }
        let whole = md5(partSize)
        var digests: [UInt8] = []
        var count = 0
        var offset: Int64 = 0
        while offset < size {
            digests += size - offset < partSize ? md5(size - offset) : whole
            count += 1
            offset += partSize
        }
        return "\(Hex.encode(MD5.digest(digests)))-\(count)"
    }

    func row(_ change: (inout InventoryFolder.Row) -> Void = { _ in }) -> InventoryFolder.Row {
        InventoryFolder.Row(key, []).with {
            $0.etag = etag
            $0.size = "\(size)"
            change(&$0)
        }
    }

    /// Whether a file holds the object.
    func isContent(of path: String) throws -> Bool {
        let file = try File(path, 0)
        guard try file.size() == size else { return false }
        let expected = [[UInt8]](repeating: pattern, count: 32768).flatMap { $0 }
        var buffer = expected
        var rest = size
        while rest > 0 {
            let step = Int(min(rest, Int64(buffer.count)))
            let offset = size - rest
            try buffer.withUnsafeMutableBytes {
                try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<step]), at: offset)
            }
            // Not by the arrays' own comparison, which takes minutes in a debug build.
            if memcmp(buffer, expected, step) != 0 { return false }
            rest -= Int64(step)
        }
        return true
    }
}
