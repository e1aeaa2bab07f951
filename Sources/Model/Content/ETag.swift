import Basics

/// An ETag: the name of a content.
public struct ETag: Hashable, Sendable {
    /// The two halves of 32 lower-case hexadecimal digits, big-endian; 0 if `verbatim` is set.
    public var high: UInt64
    public var low: UInt64
    /// N of a multipart ETag `…-N`; 0 for a plain one.
    public var parts: UInt32
    /// An ETag of any other form, without quotation marks.
    public var verbatim: [UInt8]?

    public init(high: UInt64, low: UInt64, parts: UInt32) {
        self.high = high
        self.low = low
        self.parts = parts
    }

    /// Parses the text of an ETag.
    public init(_ text: some Collection<UInt8>) {
        // Other modules call what they find here, made for any collection: a loop over one is fifty times as slow.
        self =
            text.withContiguousStorageIfAvailable { ETag(bytes: $0) }
            ?? Array(text).withUnsafeBufferPointer { ETag(bytes: $0) }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        if bytes.count >= 32, let high = ETag.half(bytes, 0), let low = ETag.half(bytes, 16),
            let parts = ETag.parts(bytes)
        {
            self.init(high: high, low: low, parts: parts)
        } else {
            self.init(high: 0, low: 0, parts: 0)
            verbatim = Array(bytes)
        }
    }

    /// The value of 16 lower-case hexadecimal digits; nil if one of them is not.
    private static func half(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt64? {
        var half: UInt64 = 0
        for index in start..<start + 16 {
            let digit = bytes[index]
            guard let value = Hex.value(digit), digit < 65 || digit > 70 else { return nil }
            half = half << 4 | UInt64(value)
        }
        return half
    }

    /// What follows the 32 digits: nothing, or a dash and a number without a leading zero; nil for anything else.
    private static func parts(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32? {
        if bytes.count == 32 { return 0 }
        guard bytes[32] == UInt8(ascii: "-"), (34...43).contains(bytes.count), bytes[33] != UInt8(ascii: "0") else {
            return nil
        }
        var parts: UInt64 = 0
        for index in 33..<bytes.count {
            guard (48...57).contains(bytes[index]) else { return nil }
            parts = parts * 10 + UInt64(bytes[index] - 48)
        }
        return UInt32(exactly: parts)
    }

    /// The MD5 that a plain ETag is, or the MD5 of the parts' MD5s; empty for others.
    public var md5: [UInt8] {
        guard verbatim == nil else { return [] }
        return withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
    }

    /// That of an object whose inventory has no ETags. No real one can look like this, because quotation marks enclose
    /// ETags.
    public static let unknown = ETag(Array("\"unknown\"".utf8))
    public var isUnknown: Bool { verbatim == ETag.unknown.verbatim && verbatim != nil }

    /// The content of zero bytes.
    public static let empty = ETag(high: 0xd41d_8cd9_8f00_b204, low: 0xe980_0998_ecf8_427e, parts: 0)
}

extension ETag {
    /// The text for people and programs; nil if it is unknown.
    public var known: String? { isUnknown ? nil : description }
}

extension ETag: CustomStringConvertible {
    /// The text as S3 writes it, without quotation marks.
    public var description: String {
        if let verbatim { return String(decoding: verbatim, as: UTF8.self) }
        return parts == 0 ? Hex.encode(md5) : "\(Hex.encode(md5))-\(parts)"
    }
}
