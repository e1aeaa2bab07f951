/// One request and what is done with its answer. To be subclassed; the loop calls it on its own thread.
///
/// A transfer may take several attempts: `begin`, `body`… and `complete` belong to one attempt, `restart` discards an
/// attempt, `finished` is called exactly once, at the end.
open class Transfer {
    public private(set) var request: S3Request
    var progress = TransferProgress()
    /// How often the request was made. After more than once, an answer that was lost may have had an effect.
    public var attempts: Int { progress.attempts }

    public init(_ request: S3Request) {
        self.request = request
    }

    /// Supplies bytes of the body that ``S3Request/uploadLength`` announced, starting at `offset`, and returns their
    /// number, at least one. Each attempt starts at 0 again. An error thrown here becomes the transfer's result.
    open func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        throw S3Failure(.invalidRequest, message: "there is nothing to send")
    }

    /// A successful answer begins. An error thrown here, in ``body(_:)`` or in ``complete()`` becomes the transfer's
    /// result, unless it is a transient ``S3Failure`` such as ``S3Failure/corrupt(_:)``: then the request is retried.
    open func begin(_ head: S3ResponseHead) throws {}

    /// The next bytes of the body, valid until this returns.
    open func body(_ bytes: UnsafeRawBufferPointer) throws {}

    /// The answer is complete: the time to compare a checksum.
    open func complete() throws {}

    /// The attempt failed after ``begin(_:)``, and another may follow: discard what arrived, or keep it and
    /// ``ask(for:)`` the rest.
    open func restart() {}

    /// Makes the next attempt request and expect only these bytes. An attempt that shortened the range by 64 KiB or
    /// more does not count against ``TransferLoop/Options/attempts``.
    public final func ask(for range: Range<Int64>) {
        if let old = request.range, old.count - range.count >= 65536 { progress.attempts -= 1 }
        request.range = range
        request.expectedLength = Int64(range.count)
    }

    /// The end: success, an ``S3Failure``, or what the transfer itself threw. An error thrown here ends the loop's run.
    open func finished(_ result: Result<Void, any Error>) throws {}
}
