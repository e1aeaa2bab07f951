import Basics

/// Percent-encoding as requests have it, and as S3's listings have it. On bytes: keys need not be text.
enum URLCoding {
    /// What a path, or a part of a query, stands for; nil if a `%` lacks its digits.
    ///
    /// - Parameter isQuery: `+` is a space.
    static func decode(_ text: some Collection<UInt8>, isQuery: Bool) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index != text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            if byte == UInt8(ascii: "+"), isQuery {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%") {
                guard index != text.endIndex, let high = Hex.value(text[index]) else { return nil }
                index = text.index(after: index)
                guard index != text.endIndex, let low = Hex.value(text[index]) else { return nil }
                index = text.index(after: index)
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }

    private static let digits = Array("0123456789ABCDEF".utf8)

    private static func table(_ others: String) -> [Bool] {
        (0..<256).map { value in
            let byte = UInt8(value)
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                return true
            default: return others.utf8.contains(byte)
            }
        }
    }

    private static let signed = table("-._~")
    private static let signedPath = table("-._~/")
    private static let listed = table("-._*/")

    /// As signatures have it (RFC 3986).
    ///
    /// - Parameter isPath: `/` stays.
    static func appendSigned(_ bytes: some Sequence<UInt8>, isPath: Bool, to text: inout [UInt8]) {
        append(bytes, isPath ? signedPath : signed, spaceIsPlus: false, to: &text)
    }

    /// As `encoding-type=url` has it: `a b` is `a+b`.
    static func listed(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        append(bytes, listed, spaceIsPlus: true, to: &text)
        return text
    }

    private static func append(
        _ bytes: some Sequence<UInt8>, _ plain: [Bool], spaceIsPlus: Bool, to text: inout [UInt8]
    ) {
        for byte in bytes {
            if plain[Int(byte)] {
                text.append(byte)
            } else if spaceIsPlus, byte == UInt8(ascii: " ") {
                text.append(UInt8(ascii: "+"))
            } else {
                text.append(UInt8(ascii: "%"))
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
        }
    }
}

/// The parts of a query, decoded, in their order.
struct QueryItems {
    /// A part without `=` has an empty value.
    let items: [(name: [UInt8], value: [UInt8])]

    static let most = 200

    init() { items = [] }

    /// - Returns: nil if a `%` lacks its digits, or there are too many parts.
    init?(_ query: [UInt8]?) {
        var items: [(name: [UInt8], value: [UInt8])] = []
        for part in (query ?? []).split(separator: UInt8(ascii: "&")) {
            guard items.count < QueryItems.most else { return nil }
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let rest = equals == part.endIndex ? part[equals...] : part[(equals + 1)...]
            guard let name = URLCoding.decode(part[..<equals], isQuery: true),
                let value = URLCoding.decode(rest, isQuery: true)
            else { return nil }
            items.append((name, value))
        }
        self.items = items
    }

    /// The first value of a name.
    subscript(_ name: StaticString) -> [UInt8]? {
        name.withUTF8Buffer { name in items.first { $0.name.elementsEqual(name) }?.value }
    }

    /// The same as text.
    func text(_ name: StaticString) -> String? {
        self[name].map { String(decoding: $0, as: UTF8.self) }
    }

    func contains(_ name: StaticString) -> Bool { self[name] != nil }
}
