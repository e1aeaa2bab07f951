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
        let digits = text.prefix(32)
        let rest = text.dropFirst(32)
        var halves: [UInt64] = [0, 0]
        var isHexadecimal = digits.count == 32
        for (index, digit) in digits.enumerated() {
            guard let value = Hex.value(digit), !(65...70).contains(digit) else {
                isHexadecimal = false
                break
            }
            halves[index / 16] = halves[index / 16] << 4 | UInt64(value)
        }
        var parts: UInt32? = 0
        if let dash = rest.first {
            let number = rest.dropFirst()
            parts = nil
            if dash == UInt8(ascii: "-"), let first = number.first, (49...57).contains(first), number.count <= 10 {
                parts = UInt32(String(decoding: number, as: UTF8.self))
            }
        }
        if isHexadecimal, let parts {
            self.init(high: halves[0], low: halves[1], parts: parts)
        } else {
            self.init(high: 0, low: 0, parts: 0)
            verbatim = Array(text)
        }
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
