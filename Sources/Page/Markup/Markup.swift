import Basics

/// HTML or SVG. It is made of literals of this program and of interpolated values, and every value is escaped on its way
/// in: there is no other way. `"<b title=\"\(name)\">\(name)</b>"` is right whatever the name is.
///
/// Attributes are always quoted, and addresses are made by ``PageLink`` alone.
struct Markup: ExpressibleByStringInterpolation {
    private(set) var bytes: [UInt8]

    init() {
        bytes = []
    }

    init(stringLiteral literal: String) {
        bytes = Array(literal.utf8)
    }

    init(stringInterpolation: Interpolation) {
        bytes = stringInterpolation.bytes
    }

    /// Pieces one after the other.
    init(_ pieces: some Sequence<Markup>) {
        bytes = []
        for piece in pieces { bytes.append(contentsOf: piece.bytes) }
    }

    static func += (left: inout Markup, right: Markup) {
        left.bytes.append(contentsOf: right.bytes)
    }

    static func + (left: Markup, right: Markup) -> Markup {
        var sum = left
        sum += right
        return sum
    }

    /// What literals and values are gathered in.
    struct Interpolation: StringInterpolationProtocol {
        fileprivate var bytes: [UInt8] = []

        init(literalCapacity: Int, interpolationCount: Int) {
            bytes.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: String) {
            bytes.append(contentsOf: literal.utf8)
        }

        mutating func appendInterpolation(_ markup: Markup) {
            bytes.append(contentsOf: markup.bytes)
        }

        mutating func appendInterpolation(_ markup: Markup?) {
            if let markup { bytes.append(contentsOf: markup.bytes) }
        }

        mutating func appendInterpolation(_ pieces: [Markup]) {
            for piece in pieces { bytes.append(contentsOf: piece.bytes) }
        }

        mutating func appendInterpolation(_ text: String) {
            Markup.escape(text.utf8, into: &bytes)
        }

        mutating func appendInterpolation(_ text: [UInt8]) {
            Markup.escape(String(decoding: text, as: UTF8.self).utf8, into: &bytes)
        }

        mutating func appendInterpolation(_ link: PageLink) {
            Markup.escape(link.text.utf8, into: &bytes)
        }

        mutating func appendInterpolation(_ number: some BinaryInteger) {
            bytes.append(contentsOf: String(number).utf8)
        }
    }

    /// The one place where text becomes markup. Control characters, of which HTML has none, become U+FFFD.
    private static func escape(_ text: some Sequence<UInt8>, into bytes: inout [UInt8]) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "&"): bytes.append(contentsOf: "&amp;".utf8)
            case UInt8(ascii: "<"): bytes.append(contentsOf: "&lt;".utf8)
            case UInt8(ascii: ">"): bytes.append(contentsOf: "&gt;".utf8)
            case UInt8(ascii: "\""): bytes.append(contentsOf: "&quot;".utf8)
            case UInt8(ascii: "'"): bytes.append(contentsOf: "&#39;".utf8)
            case 9, 10, 13: bytes.append(byte)
            case 0..<32, 127: bytes.append(contentsOf: "\u{FFFD}".utf8)
            default: bytes.append(byte)
            }
        }
    }
}
