import Foundation

/// Reads JSON that nobody vouches for.
///
/// Foundation's reader stops the program at a document that ends where it is nested one level too deep (513 times `[`), so
/// what is nested deeper than anything we read is refused before that.
public enum UntrustedJSON {
    /// More than any document that is read has.
    private static let depthLimit = 64

    /// What is wrong with a document that is no JSON at all.
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
