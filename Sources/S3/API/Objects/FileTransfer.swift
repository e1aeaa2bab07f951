import Basics
import Glibc

/// A transfer that writes an object to a file.
final class FileTransfer: Transfer {
    private let download: S3Download
    private var file: File?
    private var digest = MD5()
    private var size: Int64 = 0
    private var head = S3ResponseHead()
    private let done: (S3DownloadedFile) -> Void
    /// Whether the loop goes on after a failure of this transfer.
    var isTolerable: (S3Failure) -> Bool = { _ in false }

    init(_ download: S3Download, done: @escaping (S3DownloadedFile) -> Void) {
        self.download = download
        self.done = done
        super.init(
            S3Request(
                bucket: download.bucket, key: download.key, versionId: download.versionId,
                expectedLength: download.size))
    }

    override func begin(_ head: S3ResponseHead) throws {
        self.head = head
        digest = MD5()
        size = 0
        file = try File(download.path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    override func body(_ bytes: UnsafeRawBufferPointer) throws {
        try file?.write(bytes)
        digest.update(bytes)
        size += Int64(bytes.count)
    }

    override func complete() throws {
        var finished = MD5()
        swap(&finished, &digest)
        let md5 = finished.finalize()
        if let expected = download.md5, expected != md5 {
            throw S3Failure.corrupt("its MD5 is \(Hex.encode(md5)), but \(Hex.encode(expected)) was expected")
        }
        let written = file.take()
        try written?.close()
        done(S3DownloadedFile(head: head, md5: md5, size: size))
    }

    override func finished(_ result: Result<Void, any Error>) throws {
        file = nil
        if case .failure(let error) = result {
            unlink(download.path)
            if let failure = error as? S3Failure, [.response, .corrupt].contains(failure.kind), isTolerable(failure) {
                return
            }
            throw error
        }
    }
}
