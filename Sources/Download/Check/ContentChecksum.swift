import Basics
import Foundation
import Model
import S3

/// A checksum that the source keeps of an object: it can vouch for bytes of which the ETag says nothing.
struct ContentChecksum: Hashable, Sendable {
    var algorithm: ChecksumAlgorithm
    var value: [UInt8]
    /// How many parts the upload had, of whose digests this is the digest; nil: it is the digest of all bytes.
    var parts: Int?

    /// The checksum in an answer about the whole object.
    ///
    /// - Returns: nil where there is none, or none that says for certain what it is of.
    init?(_ head: S3ResponseHead, isOfParts: Bool) {
        // Of a range or a part, it would be the checksum of that.
        guard head.status == 200, head.contentRange == nil, head.partsCount == nil else { return nil }
        let type = head.value(.checksumType)
        for algorithm in ChecksumAlgorithm.allCases {
            guard let text = head.value(algorithm.header) else { continue }
            let words = text.split(separator: "-", omittingEmptySubsequences: false)
            guard (1...2).contains(words.count), let value = Data(base64Encoded: String(words[0])),
                value.count == algorithm.length
            else { continue }
            if words.count == 2 {
                guard let parts = Int(words[1]), (1...PartLayout.mostParts).contains(parts), type != "FULL_OBJECT"
                else {
                    continue
                }
                self.parts = parts
            } else if type != "FULL_OBJECT", type != nil || isOfParts {
                // Servers that do not tell the type may mean a part.
                continue
            }
            self.algorithm = algorithm
            self.value = Array(value)
            return
        }
        return nil
    }

    init(_ algorithm: ChecksumAlgorithm, value: [UInt8], parts: Int? = nil) {
        self.algorithm = algorithm
        self.value = value
        self.parts = parts
    }
}
