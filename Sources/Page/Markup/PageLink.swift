/// The address of a page: a path below `/-/` and a query of which every name and value is encoded.
///
/// Keys are in the query, never in the path: browsers take `.`, `..` and `//` out of paths.
struct PageLink {
    private(set) var text: String
    private var isFirst = true

    /// - Parameter path: what follows `/-/`; of letters, digits, dots and slashes.
    init(_ path: StaticString) {
        text = "/-/\(path)"
    }

    func with(_ name: StaticString, _ value: [UInt8]?) -> PageLink {
        guard let value else { return self }
        var link = self
        link.text += (isFirst ? "?" : "&") + "\(name)="
        link.isFirst = false
        var encoded: [UInt8] = []
        for byte in value {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"), UInt8(ascii: ":"):
                encoded.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        link.text += String(decoding: encoded, as: UTF8.self)
        return link
    }

    func with(_ name: StaticString, _ value: String?) -> PageLink {
        with(name, value.map { Array($0.utf8) })
    }
}
