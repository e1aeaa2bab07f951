import Basics

/// The digest of one part of a multipart upload, or of a whole content that has no parts.
struct PartDigest: ~Copyable {
    private var md5: MD5?
    private var sha256: SHA256?

    init(isSHA256: Bool) {
        md5 = isSHA256 ? nil : MD5()
        sha256 = isSHA256 ? SHA256() : nil
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        md5?.update(bytes)
        sha256?.update(bytes)
    }

    consuming func finalize() -> [UInt8] {
        if let digest = md5.take() { return digest.finalize() }
        return sha256.take()?.finalize() ?? []
    }
}
