import S3

/// A function of which S3 keeps an object's checksum; each with its name for people.
public enum ChecksumAlgorithm: String, CaseIterable, Sendable {
    case sha256 = "SHA-256"
    case crc64nvme = "CRC64NVME"
    case crc32c = "CRC32C"
    case crc32 = "CRC32"
    case sha1 = "SHA-1"

    /// Of a checksum, in bytes.
    var length: Int {
        switch self {
        case .sha256: 32
        case .crc64nvme: 8
        case .crc32c, .crc32: 4
        case .sha1: 20
        }
    }

    var header: S3ResponseHead.HeaderField {
        switch self {
        case .sha256: .checksumSHA256
        case .crc64nvme: .checksumCRC64NVME
        case .crc32c: .checksumCRC32C
        case .crc32: .checksumCRC32
        case .sha1: .checksumSHA1
        }
    }

    /// What is wrong with bytes that do not match, for messages.
    var mismatch: String { "its \(rawValue) is not the one that the server has of it" }

    /// The same of bytes that have arrived twice in the same form.
    var lastingMismatch: String { "\(mismatch), and it came twice in the same form: it is damaged at the source" }
}
