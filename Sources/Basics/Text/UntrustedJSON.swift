import Foundation

/// Decodes JSON from untrusted sources.
///
/// Foundation's decoder traps on a document that ends one level beyond its limit of nesting (513 times `[`), so anything
/// nested deeper than the documents read here is refused first.
public enum UntrustedJSON {
    /// Deeper than any valid document.
    private static let depthLimit = 64

    /// The document is nested too deeply to be valid.
    public struct TooDeep: Error {}

    /// - Throws: `DecodingError`, or ``TooDeep``.
    public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        guard !isTooDeep(bytes) else { throw TooDeep() }
        return try JSONDecoder().decode(type, from: Data(bytes))
    }

    private static func isTooDeep(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var depth = 0
            var isInString = false
            var isEscaped = false
            for byte in bytes {
                if isInString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isInString = false
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    depth += 1
                    if depth > depthLimit { return true }
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
                default: break
                }
            }
            return false
        }
    }
}
