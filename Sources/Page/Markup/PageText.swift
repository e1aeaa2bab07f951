import Basics
import Model

/// Numbers, dates and names in words.
enum PageText {
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// `1,204`.
    static func number(_ value: Int64) -> String {
        var digits = Array(String(value.magnitude).utf8)
        var place = digits.count - 3
        while place > 0 {
            digits.insert(UInt8(ascii: ","), at: place)
            place -= 3
        }
        return (value < 0 ? "−" : "") + String(decoding: digits, as: UTF8.self)
    }

    /// `1,204 keys`.
    static func count(_ value: Int64, _ noun: String) -> String {
        "\(number(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// `512 B`, `1.5 GiB`.
    static func size(_ bytes: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(bytes.magnitude)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let sign = bytes < 0 ? "−" : ""
        if unit == 0 { return "\(sign)\(bytes.magnitude) B" }
        let tenths = Int((value * 10).rounded())
        let number = tenths >= 1000 ? "\((tenths + 5) / 10)" : "\(tenths / 10).\(tenths % 10)"
        return "\(sign)\(number) \(units[unit])"
    }

    /// `15 March 2026`.
    static func day(_ time: Timestamp) -> String {
        let date = time.civil
        guard months.indices.contains(date.month - 1) else { return time.rfc3339 }
        return "\(date.day) \(months[date.month - 1]) \(date.year)"
    }

    /// `15 Mar 2026`.
    static func shortDay(_ time: Timestamp) -> String {
        let date = time.civil
        guard months.indices.contains(date.month - 1) else { return time.rfc3339 }
        return "\(date.day) \(months[date.month - 1].prefix(3)) \(date.year)"
    }

    /// `10:00 UTC`.
    static func hour(_ time: Timestamp) -> String {
        let date = time.civil
        return "\(pad(date.hour)):\(pad(date.minute)) UTC"
    }

    /// `2026-03-15`.
    static func date(_ time: Timestamp) -> String { String(time.rfc3339.prefix(10)) }

    private static func pad(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// What follows the last `/`, but for one at the end.
    static func lastComponent(_ key: [UInt8]) -> [UInt8] {
        let end = key.last == UInt8(ascii: "/") ? key.count - 1 : key.count
        let start = key[..<end].lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return Array(key[start...])
    }

    /// A name to look at: one that is empty, or nothing but spaces, is said to be so.
    static func shown(_ name: [UInt8]) -> String {
        if name.isEmpty { return "(no name)" }
        if name == [UInt8(ascii: "/")] { return "(no name)/" }
        if name.allSatisfy({ $0 == UInt8(ascii: " ") }) { return "(\(name.count) spaces)" }
        // Characters that turn the direction of what follows must not make one name look like another.
        return Display.text(name, limit: 2048)
    }

    /// A word of a command line.
    static func quoted(_ word: [UInt8]) -> String {
        let plain = word.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "/"),
                UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: "@"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        if plain, !word.isEmpty, word[0] != UInt8(ascii: "-") { return String(decoding: word, as: UTF8.self) }
        let text = String(decoding: word, as: UTF8.self)
        // `$'…'` keeps a line break or another control character from doing something in the shell that it is pasted into.
        guard word.contains(where: { $0 < 32 || $0 == 127 }) else { return "'\(text.replacing("'", with: "'\\''"))'" }
        var escaped = "$'"
        for byte in word {
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\\"): escaped += "\\\(Character(Unicode.Scalar(byte)))"
            case 0..<32, 127: escaped += "\\x\(Hex.encode([byte]))"
            case 128...: escaped += "\\x\(Hex.encode([byte]))"
            default: escaped.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return escaped + "'"
    }
}
