/// Writes one JSON object as bytes, for millions of records, where an encoder would take most of the time.
public struct JSONLine {
    public private(set) var bytes: [UInt8] = []
    private var isFirst = true

    public init() {}

    /// Begins a new object in the same memory.
    public mutating func begin() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(UInt8(ascii: "{"))
        isFirst = true
    }

    /// Ends the object and the line.
    public mutating func end() {
        bytes.append(UInt8(ascii: "}"))
        bytes.append(UInt8(ascii: "\n"))
    }

    public mutating func add(_ name: StaticString, text: some Sequence<UInt8>) {
        addName(name)
        add(text)
    }

    /// A string as JSON, with its quotation marks.
    public static func quoted(_ text: String) -> String {
        var line = JSONLine()
        line.add(text.utf8)
        return String(decoding: line.bytes, as: UTF8.self)
    }

    private mutating func add(_ text: some Sequence<UInt8>) {
        // A loop that is made for any sequence is many times as slow.
        if text.withContiguousStorageIfAvailable({ add($0) }) == nil {
            Array(text).withUnsafeBufferPointer { add($0) }
        }
    }

    private mutating func add(_ text: UnsafeBufferPointer<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
            case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
            case 0..<32:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(contentsOf: Hex.encode([byte]).utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    public mutating func add(_ name: StaticString, _ text: String?) {
        if let text { add(name, text: text.utf8) } else { addNull(name) }
    }

    public mutating func add(_ name: StaticString, _ number: Int64) {
        addName(name)
        bytes.append(contentsOf: String(number).utf8)
    }

    public mutating func add(_ name: StaticString, _ value: Bool) {
        addName(name)
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// Adds an object of texts, sorted by name; null without one.
    public mutating func add(_ name: StaticString, texts: [String: String]?) {
        guard let texts else { return addNull(name) }
        addName(name)
        bytes.append(UInt8(ascii: "{"))
        for (place, (name, value)) in texts.sorted(by: { $0.key < $1.key }).enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ",")) }
            add(name.utf8)
            bytes.append(UInt8(ascii: ":"))
            add(value.utf8)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    public mutating func addNull(_ name: StaticString) {
        addName(name)
        bytes.append(contentsOf: "null".utf8)
    }

    private mutating func addName(_ name: StaticString) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }
}
