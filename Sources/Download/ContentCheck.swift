import Basics
import Glibc
import Model

/// The ETag of a multipart upload, computed while its bytes pass: the MD5 of the parts' MD5s.
public struct PartedMD5: ~Copyable {
    private let partSize: Int64
    private var part = MD5()
    private var inPart: Int64 = 0
    private var whole = MD5()
    private var count: UInt32 = 0

    public init(partSize: Int64) {
        self.partSize = partSize
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let take = Int(min(Int64(rest.count), partSize - inPart))
            part.update(UnsafeRawBufferPointer(rebasing: rest[..<take]))
            inPart += Int64(take)
            rest = UnsafeRawBufferPointer(rebasing: rest[take...])
            if inPart == partSize { endPart() }
        }
    }

    private mutating func endPart() {
        var finished = MD5()
        swap(&finished, &part)
        finished.finalize().withUnsafeBytes { whole.update($0) }
        count += 1
        inPart = 0
    }

    /// The digest that stands before `-N`, and N.
    public consuming func finalize() -> (md5: [UInt8], count: UInt32) {
        if inPart > 0 { endPart() }
        return (whole.finalize(), count)
    }
}

/// Checks of a content that lies in a file.
public enum ContentCheck {
    /// Whether the file is what a multipart ETag says, if its parts had this size.
    public static func matches(_ path: String, _ etag: ETag, partSize: Int64) throws -> Bool {
        var digest = PartedMD5(partSize: partSize)
        try read(path) { digest.update($0) }
        let result = digest.finalize()
        return result.count == etag.parts && result.md5 == etag.md5
    }

    /// The MD5 of a file.
    public static func md5(_ path: String) throws -> [UInt8] {
        var digest = MD5()
        try read(path) { digest.update($0) }
        return digest.finalize()
    }

    /// The SHA-256 of a file.
    public static func sha256(_ path: String) throws -> [UInt8] {
        var digest = SHA256()
        try read(path) { digest.update($0) }
        return digest.finalize()
    }

    private static func read(_ path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        let file = try File(path, O_RDONLY)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try Interruption.check()
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return }
            buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
