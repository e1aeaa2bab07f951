import Basics
import Foundation

/// The document in the frame of a preview: a content as escaped text, as a table, or as an image. It has no script, and
/// none would run: the frame and the answer both say "sandbox".
struct PreviewAnswer {
    /// So much of a content is shown.
    static let limit = 128 << 10
    /// Of an image, all or nothing, in bytes.
    static let imageLimit: Int64 = 32 << 20
    private static let rows = 300
    private static let columns = 60

    let bytes: [UInt8]
    let isCut: Bool

    private static let head: Markup = """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>Preview</title>\
        <link rel="stylesheet" href="/-/assets/preview.css"></head><body>
        """
    private static let end: Markup = "</body></html>"

    /// The document around something to show.
    private func document(_ content: Markup) -> Markup {
        let notice: Markup? =
            isCut ? "<p class=\"notice\">The beginning. The rest is in the download.</p>" : nil
        return "\(PreviewAnswer.head)\(notice)\(content)\(PreviewAnswer.end)"
    }

    /// What is not UTF-8 is shown by its bytes.
    func text() -> Markup {
        var text = bytes[...]
        // The cut may be in the midst of a character.
        if isCut { while let last = text.last, last >= 0x80, text.count + 4 > bytes.count { text = text.dropLast() } }
        if String(validating: text, as: UTF8.self) != nil, !text.contains(0) {
            return document("<pre>\(Array(text))</pre>")
        }
        return document("<pre>\(dump())</pre>")
    }

    /// A file of separated values.
    func table(separator: UInt8) -> Markup {
        let records = PreviewAnswer.records(bytes, separator, limit: PreviewAnswer.rows + 1)
        guard let head = records.first, !bytes.contains(0) else { return text() }
        let rows = records.dropFirst().map { record -> Markup in
            "<tr>\(record.map { "<td>\($0)</td>" as Markup })</tr>"
        }
        let heads = head.map { "<th>\($0)</th>" as Markup }
        return document("<table><thead><tr>\(heads)</tr></thead><tbody>\(Array(rows))</tbody></table>")
    }

    /// The document of an image, piece by piece. The image is in it: the document has an origin of its own, from which a
    /// browser asks for nothing with the key that it was given.
    ///
    /// - Parameter next: the pieces of the image.
    static func image(type: String, _ next: @escaping () throws -> [UInt8]?) -> () throws -> [UInt8]? {
        var rest: [UInt8] = []
        var isBegun = false
        var isEnded = false
        return {
            if isEnded { return nil }
            if !isBegun {
                isBegun = true
                // What the content's first piece fails with is answered before anything is sent.
                rest = try next() ?? []
                return ("\(head)<img alt=\"The image\" src=\"data:\(type);base64," as Markup).bytes
            }
            while true {
                // Three bytes are four characters, without an end in the midst.
                let whole = rest.count - rest.count % 3
                if whole > 0 {
                    defer { rest.removeFirst(whole) }
                    return Array(Data(rest[..<whole]).base64EncodedString().utf8)
                }
                if let piece = try next() {
                    rest += piece
                    continue
                }
                isEnded = true
                return Array(Data(rest).base64EncodedString().utf8) + ("\">\(end)" as Markup).bytes
            }
        }
    }

    /// The document in place of an image that is too large.
    static var tooLarge: Markup {
        "\(head)<p class=\"notice\">This image is too large for a preview. Download it.</p>\(end)"
    }

    private func dump() -> String {
        var lines = ""
        for start in stride(from: 0, to: min(bytes.count, 4096), by: 16) {
            let some = bytes[start..<min(bytes.count, start + 16)]
            let hex = some.map { Hex.encode([$0]) }.joined(separator: " ")
            let text = String(some.map { (32..<127).contains($0) ? Character(Unicode.Scalar($0)) : "." })
            lines += hex + String(repeating: " ", count: 49 - hex.utf8.count) + text + "\n"
        }
        return lines
    }

    /// Records of fields, quoted as in RFC 4180.
    static func records(_ bytes: [UInt8], _ separator: UInt8, limit: Int) -> [[[UInt8]]] {
        var records: [[[UInt8]]] = []
        var record: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var place = 0
        func isEnd(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 }
        while place < bytes.count, records.count < limit {
            let byte = bytes[place]
            place += 1
            if isQuoted {
                if byte != UInt8(ascii: "\"") {
                    field.append(byte)
                } else if place < bytes.count, bytes[place] == UInt8(ascii: "\"") {
                    field.append(byte)
                    place += 1
                } else {
                    isQuoted = false
                }
            } else if byte == UInt8(ascii: "\""), field.isEmpty {
                isQuoted = true
            } else if byte == separator || isEnd(byte) {
                if record.count < columns { record.append(field) }
                field = []
                if isEnd(byte) {
                    if byte == 13, place < bytes.count, bytes[place] == 10 { place += 1 }
                    if record.count > 1 || record.first?.isEmpty == false { records.append(record) }
                    record = []
                }
            } else {
                field.append(byte)
            }
        }
        if records.count < limit, !field.isEmpty || !record.isEmpty { records.append(record + [field]) }
        return records
    }
}
