import Basics

/// The names and values of a query, decoded. Everything in it is a stranger's.
struct PageQuery {
    private static let limit = 16384
    private var values: [String: [UInt8]] = [:]

    /// Of a name that comes more than once, the first counts. What is longer than any address of the page is cut off.
    init(_ query: [UInt8]?) {
        for pair in (query ?? []).prefix(PageQuery.limit).split(separator: UInt8(ascii: "&")) {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            let text = String(decoding: PageQuery.decoded(name), as: UTF8.self)
            if values[text] == nil { values[text] = PageQuery.decoded(pair.dropFirst(name.count + 1)) }
        }
    }

    func bytes(_ name: String) -> [UInt8]? { values[name] }

    /// Nil if it is not there, empty, or no UTF-8.
    func text(_ name: String) -> String? {
        guard let bytes = values[name], !bytes.isEmpty else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    func flag(_ name: String) -> Bool { values[name] == [UInt8(ascii: "1")] }

    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var place = text.startIndex
        while place < text.endIndex {
            let byte = text[place]
            if byte == UInt8(ascii: "%"), place + 2 < text.endIndex, let high = Hex.value(text[place + 1]),
                let low = Hex.value(text[place + 2])
            {
                bytes.append(UInt8(truncatingIfNeeded: Int(high) << 4 | Int(low)))
                place += 3
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                place += 1
            }
        }
        return bytes
    }
}
