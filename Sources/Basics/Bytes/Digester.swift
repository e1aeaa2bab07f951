import Crypto

/// A digest of bytes that arrive in pieces.
public struct Digester<Function: HashFunction>: ~Copyable {
    private var state = Function()

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        state.update(bufferPointer: bytes)
    }

    /// The digest of everything so far: 16 bytes for MD5, 32 for SHA-256.
    public consuming func finalize() -> [UInt8] {
        state.finalize().withUnsafeBytes { Array($0) }
    }

    /// The digest of `bytes`.
    public static func digest(_ bytes: [UInt8]) -> [UInt8] {
        Function.hash(data: bytes).withUnsafeBytes { Array($0) }
    }
}

/// MD5 as S3 uses it: for ETags and for the checksums of inventories. Not for security.
public typealias MD5 = Digester<Insecure.MD5>

/// SHA-256, for contents that no MD5 vouches for and for names too long for a file system.
public typealias SHA256 = Digester<Crypto.SHA256>

/// SHA-1, as some uploads have it for a checksum. Not for security.
public typealias SHA1 = Digester<Insecure.SHA1>
extension Digester where Function == Crypto.SHA256 {
    /// The code of a message that only those who have the key can make (HMAC).
    public static func authenticationCode(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        HMAC<Crypto.SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)).withUnsafeBytes {
            Array($0)
        }
    }
}
