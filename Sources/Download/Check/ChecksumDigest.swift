import Basics
import Model

/// A checksum of a content, computed while its bytes pass.
struct ChecksumDigest: ~Copyable {
    private let algorithm: ChecksumAlgorithm
    private let parts: PartLayout?
    private var current: RunningDigest
    /// The digests of the parts that have ended.
    private var ended: [UInt8] = []
    private var count = 0
    private var missing: Int64

    private enum RunningDigest: ~Copyable {
        case crc(CRC), sha256(SHA256), sha1(SHA1)

        init(_ algorithm: ChecksumAlgorithm) {
            self =
                switch algorithm {
                case .sha256: .sha256(SHA256())
                case .sha1: .sha1(SHA1())
                case .crc64nvme: .crc(CRC(.crc64nvme))
                case .crc32c: .crc(CRC(.crc32c))
                case .crc32: .crc(CRC(.crc32))
                }
        }

        mutating func update(_ bytes: UnsafeRawBufferPointer) {
            switch consume self {
            case .crc(var crc):
                crc.update(bytes)
                self = .crc(crc)
            case .sha256(var digest):
                digest.update(bytes)
                self = .sha256(digest)
            case .sha1(var digest):
                digest.update(bytes)
                self = .sha1(digest)
            }
        }

        consuming func finalize() -> [UInt8] {
            switch consume self {
            case .crc(let crc): crc.digest
            case .sha256(let digest): digest.finalize()
            case .sha1(let digest): digest.finalize()
            }
        }
    }

    /// - Parameter parts: how the content is divided; nil: the checksum is that of all bytes.
    init(_ algorithm: ChecksumAlgorithm, parts: PartLayout?) {
        self.algorithm = algorithm
        self.parts = parts
        current = RunningDigest(algorithm)
        missing = parts?.length(ofPart: 0) ?? .max
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            if missing == 0 { endPart() }
            let take = Int(min(Int64(rest.count), missing))
            current.update(UnsafeRawBufferPointer(rebasing: rest[..<take]))
            missing -= Int64(take)
            rest = UnsafeRawBufferPointer(rebasing: rest[take...])
        }
    }

    private mutating func endPart() {
        var finished = RunningDigest(algorithm)
        swap(&finished, &current)
        ended += finished.finalize()
        count += 1
        missing = parts?.length(ofPart: count) ?? .max
    }

    /// The checksum, and of how many parts it is; 0 where there are none.
    consuming func finalize() -> (value: [UInt8], parts: Int) {
        guard parts != nil else { return (current.finalize(), 0) }
        endPart()
        var whole = RunningDigest(algorithm)
        ended.withUnsafeBytes { whole.update($0) }
        return (whole.finalize(), count)
    }
}
