import Basics
import Glibc

/// Reads the XML of a listing in place: texts are decoded where they stand, and stay there.
///
/// It knows the elements of listings and nothing else, and is several times as fast as ``XMLReader``. What is not
/// well-formed is refused as strictly; so are documents with a DOCTYPE.
struct ListingScanner {
    /// What the document says.
    struct Listing {
        var rows: [S3VersionPage.Row] = []
        var isOfObjects = false
        var isOfSecondVersion = false
        var isTruncated = false
        var isEncoded = false
        var nextKey = TextSpan.empty
        var nextVersionId = TextSpan.empty
        var nextToken = TextSpan.empty
    }

    /// What an element below the root is.
    private enum EntryKind {
        case version, marker, object, other
    }

    private static let deepest = 32
    private static let longestName = 100

    private let base: UnsafeMutablePointer<UInt8>?
    private let end: Int
    private var position = 0
    /// The names of the elements that are open.
    private var open: [TextSpan] = []
    private var hasRoot = false
    private var text = TextSpan.empty
    private var part = EntryKind.other
    private var row = S3VersionPage.Row()
    private var hasTime = false
    private var hasSize = false
    private var hasETag = false
    private var hasTruncation = false
    private var found = Listing()

    init(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        base = bytes.baseAddress
        end = bytes.count
        open.reserveCapacity(Self.deepest)
        if end >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf { position = 3 }
    }

    mutating func read() throws(IcecoreError) -> Listing {
        guard let base else { throw damaged("it is empty") }
        while position < end {
            let start = position
            let tag = memchr(base + start, 0x3c, end - start).map { UnsafeMutableRawPointer(base).distance(to: $0) }
            position = tag ?? end
            if position > start { try addText(start, position, isPlain: false, base) }
            guard position < end else { break }
            guard position + 1 < end else { throw damaged("it ends early") }
            switch base[position + 1] {
            case UInt8(ascii: "/"): try readEndTag(base)
            case UInt8(ascii: "?"):
                position = try place(after: "?>", from: position + 2, base)
            case UInt8(ascii: "!"): try readMarkup(base)
            default: try readStartTag(base)
            }
        }
        guard open.isEmpty, hasRoot else { throw damaged("it ends early") }
        guard hasTruncation else { throw damaged("IsTruncated is missing") }
        if found.isEncoded { try decodeKeys(base) }
        return found
    }

    private func damaged(_ what: String) -> IcecoreError {
        S3ListPage.damaged("\(what) (byte \(position))")
    }

    // MARK: - Markup

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
    }

    private func place(
        after text: StaticString, from start: Int, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> Int {
        let count = text.utf8CodeUnitCount
        var place = start
        while place + count <= end {
            if memcmp(base + place, text.utf8Start, count) == 0 { return place + count }
            place += 1
        }
        throw damaged("an unterminated section")
    }

    private func begins(_ text: StaticString, _ base: UnsafeMutablePointer<UInt8>) -> Bool {
        end - position >= text.utf8CodeUnitCount
            && memcmp(base + position, text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    private mutating func readMarkup(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        if begins("<!--", base) {
            position = try place(after: "-->", from: position + 4, base)
        } else if begins("<![CDATA[", base) {
            let start = position + 9
            let after = try place(after: "]]>", from: start, base)
            try addText(start, after - 3, isPlain: true, base)
            position = after
        } else {
            throw damaged("a document type declaration")
        }
    }

    /// A name from a place on, without its prefix; where it ends.
    @inline(__always)
    private func name(
        from start: Int, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> (name: TextSpan, end: Int) {
        var first = start
        var place = start
        while place < end {
            let byte = base[place]
            if byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/") || Self.isSpace(byte) { break }
            guard byte != UInt8(ascii: "<"), byte != UInt8(ascii: "=") else { throw damaged("a name is missing") }
            if byte == UInt8(ascii: ":") { first = place + 1 }
            place += 1
        }
        guard place > first, place - first <= Self.longestName else { throw damaged("a name is missing") }
        return (span(first, place), place)
    }

    private func span(_ start: Int, _ end: Int) -> TextSpan {
        TextSpan(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: end - start))
    }

    private mutating func readStartTag(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        guard !(open.isEmpty && hasRoot) else { throw damaged("a second root element") }
        guard open.count < Self.deepest else { throw damaged("elements nested too deeply") }
        let (name, after) = try name(from: position + 1, base)
        var place = after
        var isEmpty = false
        while place < end, base[place] != UInt8(ascii: ">") {
            let byte = base[place]
            isEmpty = byte == UInt8(ascii: "/")
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                place += 1
                while place < end, base[place] != byte { place += 1 }
            } else if byte == UInt8(ascii: "<") {
                throw damaged("an unterminated tag")
            }
            place += 1
        }
        guard place < end else { throw damaged("an unterminated tag") }
        position = place + 1
        open.append(name)
        text = .empty
        try begin(name, base)
        if isEmpty { try close(base) }
    }

    private mutating func readEndTag(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        var (name, place) = try name(from: position + 2, base)
        while place < end, Self.isSpace(base[place]) { place += 1 }
        guard place < end, base[place] == UInt8(ascii: ">") else { throw damaged("an unterminated tag") }
        guard let opened = open.last, opened.count == name.count,
            memcmp(base + Int(opened.start), base + Int(name.start), Int(name.count)) == 0
        else { throw damaged("an end tag without its start tag") }
        position = place + 1
        try close(base)
    }

    private mutating func close(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        guard let name = open.last else { return }
        try finish(name, base)
        open.removeLast()
        text = .empty
    }

    // MARK: - Text

    /// Adds what stands between two tags to the text of the element, directly behind what it has.
    private mutating func addText(
        _ start: Int, _ end: Int, isPlain: Bool, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) {
        if open.isEmpty {
            for place in start..<end where !Self.isSpace(base[place]) { throw damaged("text outside the root element") }
            return
        }
        // Where nobody asks for the text, it is only checked.
        let isFirst = text.count == 0
        if isFirst { text.start = UInt32(truncatingIfNeeded: start) }
        let target = Int(text.start) + Int(text.count)
        if isPlain || memchr(base + start, 0x26, end - start) == nil {
            if target != start { memmove(base + target, base + start, end - start) }
            text.count += UInt32(truncatingIfNeeded: end - start)
        } else {
            let count = try decodeEntities(start, end, to: target, base)
            text.count += UInt32(truncatingIfNeeded: count)
        }
    }

    private mutating func decodeEntities(
        _ start: Int, _ end: Int, to target: Int, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> Int {
        var input = start
        var output = target
        while input < end {
            let byte = base[input]
            guard byte == UInt8(ascii: "&") else {
                base[output] = byte
                output += 1
                input += 1
                continue
            }
            var stop = input + 1
            while stop < end, stop - input < 12, base[stop] != UInt8(ascii: ";") { stop += 1 }
            guard stop < end, base[stop] == UInt8(ascii: ";") else { throw damaged("an unterminated entity") }
            // It is never longer than what stands for it.
            for decoded in try entity(input + 1, stop, base) {
                base[output] = decoded
                output += 1
            }
            input = stop + 1
        }
        return output - target
    }

    private func entity(
        _ start: Int, _ end: Int, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> [UInt8] {
        let name = UnsafeBufferPointer(start: base + start, count: end - start)
        if name.first == UInt8(ascii: "#") {
            let isHexadecimal = name.count > 1 && name[1] | 0x20 == UInt8(ascii: "x")
            let digits = name.dropFirst(isHexadecimal ? 2 : 1)
            guard !digits.isEmpty, digits.allSatisfy({ Hex.value($0) != nil }),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: isHexadecimal ? 16 : 10),
                let scalar = Unicode.Scalar(value)
            else { throw damaged("an invalid character reference") }
            return Array(String(Character(scalar)).utf8)
        }
        switch String(decoding: name, as: UTF8.self) {
        case "amp": return [UInt8(ascii: "&")]
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "quot": return [UInt8(ascii: "\"")]
        case "apos": return [UInt8(ascii: "'")]
        default: throw damaged("an unknown entity")
        }
    }

    // MARK: - Elements

    @inline(__always)
    private func isEqual(_ span: TextSpan, _ text: StaticString, _ base: UnsafeMutablePointer<UInt8>) -> Bool {
        Int(span.count) == text.utf8CodeUnitCount
            && memcmp(base + Int(span.start), text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    private mutating func begin(_ name: TextSpan, _ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        if open.count == 1 {
            hasRoot = true
            if isEqual(name, "ListBucketResult", base) {
                found.isOfObjects = true
            } else if !isEqual(name, "ListVersionsResult", base) {
                throw damaged("it is no listing")
            }
        } else if open.count == 2 {
            part =
                isEqual(name, "Version", base)
                ? .version
                : isEqual(name, "DeleteMarker", base) ? .marker : isEqual(name, "Contents", base) ? .object : .other
            guard part != .other else { return }
            row = S3VersionPage.Row()
            (hasTime, hasSize, hasETag) = (false, false, false)
            row.isMarker = part == .marker
            row.isLatest = part == .object
        }
    }

    private mutating func finish(_ name: TextSpan, _ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        if open.count == 3, part != .other {
            try take(name, base)
        } else if open.count == 2 {
            if part == .other { return try takeOfDocument(name, base) }
            guard row.key.count > 0 else { throw damaged("an entry has no key") }
            guard hasTime else { throw damaged("an entry has no LastModified") }
            guard part == .marker || hasSize && hasETag else { throw damaged("an entry has no Size or no ETag") }
            found.rows.append(row)
        }
    }

    private mutating func take(_ name: TextSpan, _ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        switch name.count {
        case 3: if isEqual(name, "Key", base) { row.key = text }
        case 4:
            if isEqual(name, "Size", base) {
                row.size = try number(base)
                hasSize = true
            } else if isEqual(name, "ETag", base) {
                row.etag = withoutQuotes(text, base)
                hasETag = !row.etag.isEmpty
            }
        case 8: if isEqual(name, "IsLatest", base) { row.isLatest = try boolean(base) }
        case 9: if isEqual(name, "VersionId", base), part != .object { row.versionId = text }
        case 12:
            if isEqual(name, "LastModified", base) {
                let bytes = UnsafeRawBufferPointer(start: base + Int(text.start), count: Int(text.count))
                guard let time = Timestamp(rfc3339: bytes) else { throw damaged("a LastModified is no time") }
                row.lastModified = time
                hasTime = true
            } else if isEqual(name, "StorageClass", base) {
                row.storageClass = text
            }
        default: break
        }
    }

    private mutating func takeOfDocument(
        _ name: TextSpan, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) {
        if isEqual(name, "IsTruncated", base) {
            found.isTruncated = try boolean(base)
            hasTruncation = true
        } else if isEqual(name, "NextKeyMarker", base) || isEqual(name, "NextMarker", base) {
            found.nextKey = text
        } else if isEqual(name, "NextVersionIdMarker", base) {
            found.nextVersionId = text
        } else if isEqual(name, "NextContinuationToken", base) {
            found.nextToken = text
            found.isOfSecondVersion = true
        } else if isEqual(name, "KeyCount", base) || isEqual(name, "StartAfter", base) {
            found.isOfSecondVersion = true
        } else if isEqual(name, "EncodingType", base) {
            found.isEncoded = isEqual(text, "url", base)
        }
    }

    private func withoutQuotes(_ span: TextSpan, _ base: UnsafeMutablePointer<UInt8>) -> TextSpan {
        let quote = UInt8(ascii: "\"")
        guard span.count >= 2, base[Int(span.start)] == quote, base[Int(span.start) + Int(span.count) - 1] == quote
        else { return span }
        return TextSpan(start: span.start + 1, count: span.count - 2)
    }

    private func boolean(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) -> Bool {
        if isEqual(text, "true", base) { return true }
        if isEqual(text, "false", base) { return false }
        throw damaged("what is to be true or false is neither")
    }

    private func number(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) -> Int64 {
        // Eighteen digits cannot overflow, and no object has a size of more.
        guard (1...18).contains(text.count) else { throw damaged("a size is not a number") }
        var value: Int64 = 0
        for place in Int(text.start)..<Int(text.start) + Int(text.count) {
            let digit = base[place] &- 48
            guard digit <= 9 else { throw damaged("a size is not a number") }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }

    // MARK: - Percent-encoding

    /// Decodes the keys, once it is clear that they are encoded: EncodingType may come last.
    private mutating func decodeKeys(_ base: UnsafeMutablePointer<UInt8>) throws(IcecoreError) {
        for index in found.rows.indices {
            found.rows[index].key.count = try decodePercents(found.rows[index].key, base)
        }
    }

    private func decodePercents(
        _ span: TextSpan, _ base: UnsafeMutablePointer<UInt8>
    ) throws(IcecoreError) -> UInt32 {
        let text = base + Int(span.start)
        let count = Int(span.count)
        if memchr(text, 0x25, count) == nil, memchr(text, 0x2b, count) == nil { return span.count }
        var (input, output) = (0, 0)
        while input < count {
            var byte = text[input]
            input += 1
            if byte == UInt8(ascii: "+") {
                byte = UInt8(ascii: " ")
            } else if byte == UInt8(ascii: "%") {
                guard input + 1 < count, let high = Hex.value(text[input]), let low = Hex.value(text[input + 1]) else {
                    throw damaged("a key is not percent-encoded")
                }
                byte = high << 4 | low
                input += 2
            }
            text[output] = byte
            output += 1
        }
        return UInt32(truncatingIfNeeded: output)
    }
}
