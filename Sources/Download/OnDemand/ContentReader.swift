import Basics

/// Somebody who waits for bytes of a content that is not in the store. Called on the fetcher's thread, and answered once.
public protocol ContentReader: AnyObject, Sendable {
    /// The bytes wanted, within the content; not empty.
    var range: Range<Int64> { get }
    /// What the reader calls the file that it reads.
    var file: UInt64 { get }
    /// Nobody waits any more.
    var hasLeft: Bool { get }
    /// The bytes; they are gone when this returns.
    func answer(_ bytes: UnsafeRawBufferPointer)
    func fail(_ error: IcecoreError)
}
