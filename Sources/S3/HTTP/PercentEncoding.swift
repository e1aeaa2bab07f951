import Basics

/// Percent-encoding of bytes as SigV4 requires it (RFC 3986, upper-case digits).
enum PercentEncoding {
    private static let upperDigits = Array("0123456789ABCDEF".utf8)
    /// A-Z a-z 0-9 - . _ ~
    private static let isUnreserved: [Bool] = (0..<256).map { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Appends `bytes`, all encoded except unreserved characters and, if asked, `/`.
    static func append(_ bytes: some Sequence<UInt8>, keepingSlashes: Bool, to text: inout [UInt8]) {
        let isUnreserved = isUnreserved
        for byte in bytes {
            if isUnreserved[Int(byte)] || (keepingSlashes && byte == UInt8(ascii: "/")) {
                text.append(byte)
            } else {
                text.append(UInt8(ascii: "%"))
                text.append(upperDigits[Int(byte >> 4)])
                text.append(upperDigits[Int(byte & 15)])
            }
        }
    }

    /// Decodes `text`, with `+` for a space as S3 writes it in listings; nil if a `%` lacks its digits.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index != text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            switch byte {
            case UInt8(ascii: "+"):
                bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard index != text.endIndex, let high = Hex.value(text[index]) else { return nil }
                index = text.index(after: index)
                guard index != text.endIndex, let low = Hex.value(text[index]) else { return nil }
                index = text.index(after: index)
                bytes.append(high << 4 | low)
            default:
                bytes.append(byte)
            }
        }
        return bytes
    }
}
