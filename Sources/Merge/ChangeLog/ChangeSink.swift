/// The destination of a merge's changes.
public protocol ChangeSink: AnyObject {
    /// Takes a full buffer and returns an empty one.
    func take(_ buffer: ChangeBuffer) throws -> ChangeBuffer
}
