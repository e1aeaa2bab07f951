/// Something from outside, made fit for an error message: cut to a plausible length, no control characters.
public struct Printable: CustomStringConvertible, Sendable {
    public let description: String

    /// At most 300 bytes of it.
    public init(_ text: String) {
        var text = text
        description = text.withUTF8 { Printable(UnsafeRawBufferPointer($0)).description }
    }

    /// At most 300 bytes of it.
    public init(_ bytes: UnsafeRawBufferPointer) {
        let limit = 300
        var text = ""
        for scalar in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            // Format characters can reverse the direction of a terminal's text.
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                text.unicodeScalars.append(scalar)
            }
        }
        description = bytes.count > limit ? text + "…" : text
    }
}
