import Basics
import Store

/// Where a content is that has arrived.
enum ArrivedContent: Sendable {
    case memory(HeldContent)
    /// In its temporary file.
    case file

    /// Whether it is what a multipart ETag says, if its parts had this size.
    func matches(_ temporary: String, _ etag: ETag, partSize: Int64) throws -> Bool {
        switch self {
        case .memory(let content):
            var digest = PartedMD5(partSize: partSize)
            digest.update(content.bytes)
            let result = digest.finalize()
            return result.count == etag.parts && result.md5 == etag.md5
        case .file: return try ContentCheck.matches(temporary, etag, partSize: partSize)
        }
    }

    func sha256(_ temporary: String) throws -> [UInt8] {
        switch self {
        case .memory(let content):
            var digest = SHA256()
            digest.update(content.bytes)
            return digest.finalize()
        case .file: return try ContentCheck.sha256(temporary)
        }
    }
}
