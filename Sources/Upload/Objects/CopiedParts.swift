import Basics
import Download
import Model
import S3

/// The parts of another object, which S3 itself copies.
package final class CopiedParts: PartSource {
    private let source: S3Request.CopySource
    private let size: Int64
    private let layout: PartLayout
    private var following = 0
    private var start: Int64 = 0
    package let count: Int
    package let mostInFlight = 8

    /// Parts in which any object can be copied.
    package static func division(_ size: Int64) -> PartLayout {
        .even(max(256 << 20, (size - 1) / Int64(PartLayout.mostParts) + 1))
    }

    /// - Parameters:
    ///   - size: of the object, at least one byte.
    ///   - layout: how it is divided.
    package init(_ source: S3Request.CopySource, size: Int64, _ layout: PartLayout) {
        (self.source, self.size, self.layout) = (source, size, layout)
        count = layout.count(ofSize: size)
    }

    package var verdict: Result<Void, any Error>? { following == count ? .success(()) : nil }

    package func next(
        ofUpload id: String, _ object: TargetObject,
        done: @escaping (_ place: Int, Result<String, any Error>) throws -> Void
    ) -> Transfer? {
        guard following < count else { return nil }
        let place = following
        let range = start..<min(size, start.addingClamped(layout.length(ofPart: place)))
        following += 1
        start = range.upperBound
        // S3 copies ranges only of objects that are large enough to have several parts.
        return CollectingTransfer(
            .copyingPart(
                place + 1, ofUpload: id, source, count == 1 ? nil : range, bucket: object.bucket, key: object.key),
            check: S3UploadAnswer.checkCopyOfPart,
            done: { answer in
                try done(
                    place,
                    Result {
                        guard let etag = S3UploadAnswer.etag(ofCopy: try answer.get().bytes) else {
                            throw IcecoreError(.unsupported, "the server returns no ETag for a copied part")
                        }
                        return etag
                    })
            })
    }
}
