import Basics
import Blobs
import S3

/// The PUT of one part of an upload.
final class PartUpload: Transfer {
    private let file: OpenBlob
    private let start: Int64
    private let md5: [UInt8]
    private let done: (Result<String, any Error>) throws -> Void
    private var etag: String?

    /// - Parameters:
    ///   - start: offset of the part in the file; the request has its length.
    ///   - done: called with the part's ETag.
    init(
        _ request: S3Request, _ file: OpenBlob, from start: Int64, md5: [UInt8],
        done: @escaping (Result<String, any Error>) throws -> Void
    ) {
        self.file = file
        self.start = start
        self.md5 = md5
        self.done = done
        super.init(request)
    }

    override func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        try BlobCopy.read(file, into: buffer, at: start + offset)
        return buffer.count
    }

    override func begin(_ head: S3ResponseHead) throws {
        etag = head.etag
        try head.refuseOtherContent(than: md5)
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        switch result {
        case .success:
            guard let etag, !etag.isEmpty else {
                return try done(
                    .failure(
                        IcecoreError(.unsupported, "the server returns no ETag for a part of an upload")))
            }
            try done(.success(etag))
        case .failure(let error): try done(.failure(error))
        }
    }
}
