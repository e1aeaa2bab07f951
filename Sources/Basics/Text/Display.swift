/// Text from outside, made fit for a terminal and a log.
public enum Display {
    /// A stranger's words inside a message: cut to `limit` bytes, with U+FFFD for what is not UTF-8 and for every character
    /// that a terminal obeys or does not show.
    public static func text(_ bytes: some Collection<UInt8>, limit: Int = 300) -> String {
        shown(bytes, limit) { _ in "\u{FFFD}" }
    }

    /// ``text(_:limit:)-(Collection<UInt8>,_)`` for a string.
    public static func text(_ string: String, limit: Int = 300) -> String {
        text(string.utf8, limit: limit)
    }

    /// The same for a value that somebody has to find in a file: `\u{1b}` for a character that is not shown.
    public static func escaped(_ bytes: some Collection<UInt8>, limit: Int = 300) -> String {
        shown(bytes, limit) { "\\u{\(String($0.value, radix: 16))}" }
    }

    /// ``escaped(_:limit:)-(Collection<UInt8>,_)`` for a string.
    public static func escaped(_ string: String, limit: Int = 300) -> String {
        escaped(string.utf8, limit: limit)
    }

    private static func shown(
        _ bytes: some Collection<UInt8>, _ limit: Int, _ replacement: (Unicode.Scalar) -> String
    ) -> String {
        var text = ""
        for scalar in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            // Format characters can reverse the direction of a terminal's text.
            case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                text += replacement(scalar)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return bytes.count > limit ? text + "…" : text
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
