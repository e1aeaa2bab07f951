import Basics
import Blobs
import S3

/// The PUT of a whole content in one request.
///
/// A blob is checked against its name before any of it is sent: another push may have put the right content under that
/// name, and others may rely on it.
package final class WholeUpload: Transfer {
    private let payload: UploadPayload
    private let done: (Result<UploadOutcome, any Error>) throws -> Void
    private let md5: [UInt8]
    private var file: OpenBlob?
    private var supplied: Int64 = 0
    private var made = MadeObject()

    /// - Parameter done: called once. An error thrown here ends the loop's run.
    /// - Throws: ``BlobCopy/Damage`` for a blob that cannot be sent.
    package init(
        _ object: TargetObject, _ payload: UploadPayload,
        done: @escaping (Result<UploadOutcome, any Error>) throws -> Void
    ) throws {
        self.payload = payload
        self.done = done
        var request = object.request(.put)
        request.headers = object.headers
        request.uploadLength = payload.size
        switch payload {
        case .bytes(let bytes): md5 = MD5.digest(bytes)
        case .blob(let place, let name, let parts):
            if case .etag(let etag, _) = name, etag.parts == 0 {
                // The server compares the MD5. Opening the file now finds a missing one before the request is made.
                _ = try BlobCopy.open(place, name)
                md5 = etag.md5
            } else {
                md5 = try BlobCopy.checkedMD5(place, name, parts: parts)
            }
        }
        request.setContentMD5(md5)
        super.init(request)
    }

    package override func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        switch payload {
        case .bytes(let bytes):
            let piece = bytes[Int(offset)...].prefix(buffer.count)
            buffer.copyBytes(from: piece)
            return piece.count
        case .blob(let place, let name, _):
            if offset == 0 {
                file = try BlobCopy.open(place, name)
                supplied = 0
            }
            guard let file else { throw BlobCopy.Damage(reason: "it is not open") }
            try BlobCopy.read(file, into: buffer, at: offset)
            supplied = max(supplied, offset + Int64(buffer.count))
            return buffer.count
        }
    }

    package override func begin(_ head: S3ResponseHead) throws {
        made = MadeObject(head)
        guard case .blob(_, let name, _) = payload else { return }
        guard supplied == name.size else { throw S3Failure.corrupt("the server answered before everything was sent") }
        try head.refuseOtherContent(than: md5)
    }

    package override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        switch result {
        case .success: try done(.success(.done(made)))
        case .failure(let damage as BlobCopy.Damage): try done(.success(.damaged(damage.reason)))
        case .failure(let failure as S3Failure)
        where failure.kind == .corrupt || failure.code == "BadDigest" || failure.code == "InvalidDigest":
            // Several attempts failed, or the server found the fault: it may be the file, not the network.
            if case .blob(let place, let name, let parts) = payload,
                let problem = try BlobCopy.problem(place, name, parts: parts)
            {
                return try done(.success(.damaged(problem)))
            }
            try done(.failure(failure))
        case .failure(let error): try done(.failure(error))
        }
    }
}
