import Basics

/// Writes a document of S3.
struct XMLWriter {
    private(set) var bytes: [UInt8] = []

    static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

    /// - Parameter root: with S3's namespace, unless it is an error.
    init(_ root: StaticString, hasNamespace: Bool = true) {
        bytes.reserveCapacity(4096)
        add("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<")
        add(root)
        if hasNamespace {
            add(" xmlns=\"")
            bytes.append(contentsOf: XMLWriter.namespace.utf8)
            add("\"")
        }
        add(">")
    }

    /// A part of a document.
    init() {}

    mutating func append(_ part: XMLWriter) {
        bytes.append(contentsOf: part.bytes)
    }

    /// The whole document, ended.
    consuming func end(_ root: StaticString) -> [UInt8] {
        close(root)
        return bytes
    }

    mutating func open(_ name: StaticString) {
        add("<")
        add(name)
        add(">")
    }

    mutating func close(_ name: StaticString) {
        add("</")
        add(name)
        add(">")
    }

    mutating func element(_ name: StaticString, _ text: some Collection<UInt8>) {
        open(name)
        if text.withContiguousStorageIfAvailable({ escape($0) }) == nil {
            Array(text).withUnsafeBufferPointer { escape($0) }
        }
        close(name)
    }

    mutating func element(_ name: StaticString, _ text: String) {
        var text = text
        text.withUTF8 { element(name, $0) }
    }

    mutating func element(_ name: StaticString, _ number: Int64) {
        open(name)
        bytes.append(contentsOf: String(number).utf8)
        close(name)
    }

    mutating func element(_ name: StaticString, _ value: Bool) {
        element(name, value ? "true" : "false")
    }

    private mutating func add(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "&"): add("&amp;")
            case UInt8(ascii: "<"): add("&lt;")
            case UInt8(ascii: ">"): add("&gt;")
            case UInt8(ascii: "\""): add("&quot;")
            // A reader would make a line feed of it, and as S3 does for the others: 'encoding-type=url' is for those.
            case 0x0d, 0..<0x09, 0x0b..<0x0d, 0x0e..<0x20: bytes.append(contentsOf: "&#x\(Hex.short(byte));".utf8)
            default: bytes.append(byte)
            }
        }
    }
}

extension Hex {
    /// Without leading zeros.
    fileprivate static func short(_ byte: UInt8) -> String { String(byte, radix: 16) }
}
