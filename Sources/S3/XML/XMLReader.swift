import Basics

/// A pull parser for the XML that S3 writes: elements and text, read strictly and in one pass.
///
/// Documents with a DOCTYPE are refused (S3 sends none), so the only entities are the five predefined and the numeric
/// ones, and nothing can expand. Attributes are skipped; prefixes of names are dropped.
struct XMLReader {
    enum Token {
        case start(String)
        /// Text between two tags, decoded.
        case text([UInt8])
        case end(String)
        case endOfDocument
    }

    private static let depthLimit = 32
    private static let nameLimit = 100

    private let bytes: [UInt8]
    private var position = 0
    private var open: [String] = []
    private var pendingEnd = false
    private var hasRoot = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    private func damaged(_ what: String) -> IcecoreError {
        IcecoreError(.invalidData, "the server's XML is damaged: \(what) at byte \(position)")
    }

    /// The next token. An empty element gives a start and an end; white space between elements is text too.
    mutating func next() throws(IcecoreError) -> Token {
        if pendingEnd {
            pendingEnd = false
            return .end(open.removeLast())
        }
        while position < bytes.count {
            if bytes[position] != UInt8(ascii: "<") {
                let text = try readText()
                if open.isEmpty {
                    guard text.allSatisfy(Self.isSpace) else { throw damaged("text outside the root element") }
                    continue
                }
                return .text(text)
            }
            if matches("<?") {
                try skip(past: "?>")
            } else if matches("<!--") {
                try skip(past: "-->")
            } else if matches("<![CDATA[") {
                guard !open.isEmpty else { throw damaged("text outside the root element") }
                let start = position + 9
                try skip(past: "]]>")
                return .text(Array(bytes[min(start, position - 3)..<position - 3]))
            } else if matches("<!") {
                throw damaged("a document type declaration")
            } else if matches("</") {
                return try readEndTag()
            } else {
                return try readStartTag()
            }
        }
        guard open.isEmpty, hasRoot else { throw damaged("it ends early") }
        return .endOfDocument
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
    }

    private func matches(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
        return true
    }

    private mutating func skip(past text: StaticString) throws(IcecoreError) {
        let start = position
        while position < bytes.count {
            if matches(text) {
                position += text.utf8CodeUnitCount
                return
            }
            position += 1
        }
        position = start
        throw damaged("an unterminated section")
    }

    private mutating func readName() throws(IcecoreError) -> String {
        var start = position
        while position < bytes.count, !Self.isSpace(bytes[position]), bytes[position] != UInt8(ascii: ">"),
            bytes[position] != UInt8(ascii: "/"), bytes[position] != UInt8(ascii: "<"),
            bytes[position] != UInt8(ascii: "=")
        {
            if bytes[position] == UInt8(ascii: ":") { start = position + 1 }
            position += 1
        }
        guard position > start, position - start <= Self.nameLimit else { throw damaged("a name is missing") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func readStartTag() throws(IcecoreError) -> Token {
        guard !(open.isEmpty && hasRoot) else { throw damaged("a second root element") }
        guard open.count < Self.depthLimit else { throw damaged("elements nested too deeply") }
        position += 1
        let name = try readName()
        hasRoot = true
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: ">") {
                position += 1
                open.append(name)
                return .start(name)
            }
            if matches("/>") {
                position += 2
                open.append(name)
                pendingEnd = true
                return .start(name)
            }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                position += 1
                while position < bytes.count, bytes[position] != byte { position += 1 }
            } else if byte == UInt8(ascii: "<") {
                break
            }
            position += 1
        }
        throw damaged("an unterminated tag")
    }

    private mutating func readEndTag() throws(IcecoreError) -> Token {
        position += 2
        let name = try readName()
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else { throw damaged("an unterminated tag") }
        position += 1
        guard open.last == name else { throw damaged("an end tag without its start tag") }
        open.removeLast()
        return .end(name)
    }

    private mutating func readText() throws(IcecoreError) -> [UInt8] {
        var text: [UInt8] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
            let byte = bytes[position]
            if byte != UInt8(ascii: "&") {
                text.append(byte)
                position += 1
                continue
            }
            guard let semicolon = bytes[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
                throw damaged("an unterminated entity")
            }
            try append(entity: bytes[position + 1..<semicolon], to: &text)
            position = semicolon + 1
        }
        return text
    }

    private func append(entity: ArraySlice<UInt8>, to text: inout [UInt8]) throws(IcecoreError) {
        if entity.first == UInt8(ascii: "#") {
            var digits = entity.dropFirst()
            var radix = 10
            if digits.first == UInt8(ascii: "x") || digits.first == UInt8(ascii: "X") {
                digits = digits.dropFirst()
                radix = 16
            }
            guard digits.allSatisfy({ Hex.value($0) != nil }),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: radix),
                let scalar = Unicode.Scalar(value)
            else { throw damaged("an invalid character reference") }
            text.append(contentsOf: String(Character(scalar)).utf8)
            return
        }
        switch String(decoding: entity, as: UTF8.self) {
        case "amp": text.append(UInt8(ascii: "&"))
        case "lt": text.append(UInt8(ascii: "<"))
        case "gt": text.append(UInt8(ascii: ">"))
        case "quot": text.append(UInt8(ascii: "\""))
        case "apos": text.append(UInt8(ascii: "'"))
        default: throw damaged("an unknown entity")
        }
    }
}
