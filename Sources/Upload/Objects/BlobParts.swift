import Blobs
import Download
import Model
import S3

/// The parts of a blob, hashed before they are sent.
package final class BlobParts: PartSource {
    private let file: OpenBlob
    private let hashing: PartHashing
    private let pool: WorkPool
    package let count: Int
    package let mostInFlight = 6

    /// The smallest part that S3 accepts, and a length that is cheap enough to send again.
    private static let smallest: Int64 = 5 << 20
    private static let usual: Int64 = 16 << 20
    private static let largest: Int64 = 1 << 30

    /// - Parameters:
    ///   - parts: those of the upload that the blob comes from.
    ///   - division: those in which it is sent.
    /// - Throws: ``BlobCopy/Damage`` for a blob that cannot be sent.
    package init(
        _ place: BlobPlace, _ name: BlobName, parts: PartLayout?, division: PartLayout, _ pool: WorkPool
    ) throws {
        file = try BlobCopy.open(place, name)
        count = division.count(ofSize: name.size)
        hashing = PartHashing(file, name, parts: parts, division: division, count: count)
        self.pool = pool
    }

    /// Parts in which any server takes a content: those of its own upload if they are usual, which saves a second digest.
    package static func division(_ size: Int64, _ parts: PartLayout?) -> PartLayout {
        let most = Int64(PartLayout.mostParts)
        if case .even(let partSize) = parts, (smallest...largest).contains(partSize), (size - 1) / partSize < most {
            return .even(partSize)
        }
        let least = (size - 1) / most + 1
        return .even(max(usual, ((least - 1) / (1 << 20) + 1) * (1 << 20)))
    }

    package var verdict: Result<Void, any Error>? { hashing.end }

    package func next(
        ofUpload id: String, _ object: TargetObject,
        done: @escaping (_ place: Int, Result<String, any Error>) throws -> Void
    ) -> Transfer? {
        guard let part = hashing.take(pool) else { return nil }
        var request = S3Request.part(part.place + 1, ofUpload: id, bucket: object.bucket, key: object.key)
        request.uploadLength = Int64(part.range.count)
        request.setContentMD5(part.md5)
        return PartUpload(request, file, from: part.range.lowerBound, md5: part.md5) { try done(part.place, $0) }
    }
}
