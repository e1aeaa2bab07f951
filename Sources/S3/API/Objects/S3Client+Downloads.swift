import Basics

extension S3Client {
    /// Downloads objects to files, several at a time. The first failure ends all downloads; its file is removed.
    ///
    /// - Parameters:
    ///   - downloads: iterated as there is room.
    ///   - refused: called with the place of one that the server has refused; true goes on with the others.
    ///   - done: called with each complete file and its place in `downloads`.
    public func download(
        _ downloads: some Sequence<S3Download>, maxInFlight: Int = 8,
        progress: ((TransferLoop.Statistics) -> Void)? = nil,
        refused: ((_ index: Int, _ failure: S3Failure) -> Bool)? = nil,
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
            let transfer = FileTransfer(download) { done(index, $0) }
            if let refused { transfer.isTolerable = { refused(index, $0) } }
            return .transfer(transfer)
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
