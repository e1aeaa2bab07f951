import Basics

extension S3Client {
    /// Downloads objects to files, several at a time. The first failure ends all downloads; its file is removed.
    ///
    /// - Parameters:
    ///   - downloads: iterated as there is room.
    ///   - done: called with each complete file and its place in `downloads`.
    public func download(
        _ downloads: some Sequence<S3Download>, maxInFlight: Int = 8,
        progress: ((TransferLoop.Statistics) -> Void)? = nil,
        done: @escaping (_ index: Int, _ file: S3DownloadedFile) -> Void
    ) throws {
        var options = loopOptions
        options.maxInFlight = maxInFlight
        let loop = try TransferLoop(self, options: options)
        loop.progress = progress
        var iterator = downloads.makeIterator()
        var count = 0
        try loop.run {
            guard let download = iterator.next() else { return .finished }
            let index = count
            count += 1
            return .transfer(FileTransfer(download) { done(index, $0) })
        }
    }

    /// Downloads one object to a file.
    @discardableResult
    public func download(_ download: S3Download) throws -> S3DownloadedFile {
        var file: S3DownloadedFile?
        try run(FileTransfer(download) { file = $0 })
        guard let file else { throw S3Failure(.cancelled, message: "cancelled") }
        return file
    }
}
