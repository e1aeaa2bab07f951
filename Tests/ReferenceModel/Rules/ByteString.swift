/// Bytes that are compared as bytes: a key, a prefix, a path, a version id, an ETag.
///
/// Not a `String`, because two strings are equal where Unicode says so ("é" in one scalar or in two), and two keys are
/// equal only where their bytes are.
public struct ByteString: Hashable, Comparable, Sendable {
    public var bytes: [UInt8]

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The UTF-8 of a string.
    public init(_ text: String) {
        bytes = Array(text.utf8)
    }

    public static func < (left: ByteString, right: ByteString) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    public static func + (left: ByteString, right: ByteString) -> ByteString {
        ByteString(left.bytes + right.bytes)
    }

    public var isEmpty: Bool { bytes.isEmpty }
    public var count: Int { bytes.count }

    /// The bytes as a string (all keys are UTF-8).
    public var string: String { String(decoding: bytes, as: UTF8.self) }

    public func hasPrefix(_ prefix: ByteString) -> Bool {
        bytes.starts(with: prefix.bytes)
    }

    public func hasSuffix(_ suffix: ByteString) -> Bool {
        bytes.count >= suffix.count && Array(bytes.suffix(suffix.count)) == suffix.bytes
    }

    /// What is between the slashes: `/a//b` is `["", "a", "", "b"]`.
    public var components: [ByteString] {
        bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { ByteString(Array($0)) }
    }

    /// The inverse of ``components``.
    public init(joining components: some Sequence<ByteString>) {
        bytes = Array(components.map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }
}

extension ByteString: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) {
        self.init(text)
    }
}

extension ByteString: CustomStringConvertible {
    /// Quoted and with escapes, so that what a failure prints can be told apart.
    public var description: String {
        string.unicodeScalars.reduce(into: "\"") { text, scalar in
            text += scalar.escaped(asASCII: true)
        } + "\""
    }
}
