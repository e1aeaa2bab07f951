import Basics
import Model

/// What the contents of packs are sorted and found by: the 16 bytes of an ETag, or the first 16 of a SHA-256.
///
/// One pack has one content of a key: two contents that share one, which nothing but malice brings about, go into two.
public struct PackKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Nil for a name that no pack can hold: a content of 4 GiB or more, an ETag of an unusual form.
    public init?(_ name: BlobName) {
        guard (0...Int64(UInt32.max)).contains(name.size) else { return nil }
        switch name {
        case .etag(let etag, _):
            guard etag.verbatim == nil else { return nil }
            self.init(high: etag.high, low: etag.low)
        case .sha256(let digest, _):
            guard digest.count == 32 else { return nil }
            self = digest.withUnsafeBytes { PackKey($0, at: 0) }
        }
    }

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, at place: Int) {
        high = bytes.number(at: place, UInt64.self)
        low = bytes.number(at: place + 8, UInt64.self)
    }

    @inline(__always)
    public static func < (left: PackKey, right: PackKey) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    /// 32 hexadecimal digits.
    public var description: String {
        Hex.encode(withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) })
    }
}
