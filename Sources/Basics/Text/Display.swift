/// Text from outside, made fit for a terminal and a log.
public enum Display {
    /// A stranger's words inside a message: cut to `limit` bytes, with U+FFFD for what is not UTF-8 and for every character
    /// that a terminal obeys or does not show.
    public static func text(_ bytes: some Collection<UInt8>, limit: Int = 300) -> String {
        var text = ""
        for scalar in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            // Format characters can reverse the direction of a terminal's text.
            case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                text.unicodeScalars.append("\u{FFFD}")
            default: text.unicodeScalars.append(scalar)
            }
        }
        return bytes.count > limit ? text + "…" : text
    }

    /// ``text(_:limit:)-(Collection<UInt8>,_)`` for a string.
    public static func text(_ string: String, limit: Int = 300) -> String {
        text(string.utf8, limit: limit)
    }

    /// A whole line as it is, but for control characters, which become `?`.
    public static func line(_ string: String) -> String {
        String(String.UnicodeScalarView(string.unicodeScalars.map { isControl($0.value) ? "?" : $0 }))
    }

    /// A name as it is, whether it is UTF-8 or not, but for ASCII's control characters, which become `?`.
    public static func name(_ bytes: [UInt8]) -> [UInt8] {
        bytes.map { isControl(UInt32($0)) ? UInt8(ascii: "?") : $0 }
    }

    private static func isControl(_ value: UInt32) -> Bool {
        value < 0x20 || value == 0x7f
    }
}
