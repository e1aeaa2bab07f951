import Basics
import Glibc

/// Digests of a content that lies in a file.
public enum ContentCheck {
    /// The MD5 of a file.
    public static func md5(_ path: String) throws -> [UInt8] {
        var digest = MD5()
        try read(path) { digest.update($0) }
        return digest.finalize()
    }

    /// The SHA-256 of a file.
    public static func sha256(_ path: String) throws -> [UInt8] {
        try ContentDigest.sha256 { try read(path, $0) }
    }

    /// Passes a file to `body`, from the first byte to the last.
    static func read(_ path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        let file = try File.regular(path)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try Interruption.check()
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return }
            buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
