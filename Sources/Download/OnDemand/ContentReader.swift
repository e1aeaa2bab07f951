import Basics

/// A read that waits for bytes of a content that is not in the store. Called on the fetcher's thread, and answered once.
public protocol ContentReader: AnyObject, Sendable {
    /// The bytes wanted: a range within the content, not empty.
    var range: Range<Int64> { get }
    /// The reader's identifier of the file.
    var file: UInt64 { get }
    /// The read was given up.
    var hasLeft: Bool { get }
    /// Delivers the bytes, which are valid only during the call.
    func answer(_ bytes: UnsafeRawBufferPointer)
    func fail(_ error: IcecoreError)
}
