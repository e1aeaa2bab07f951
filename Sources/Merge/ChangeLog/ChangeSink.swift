/// Where the merge's changes go.
public protocol ChangeSink: AnyObject {
    /// Takes a full buffer and gives an empty one back.
    func take(_ buffer: ChangeBuffer) throws -> ChangeBuffer
}
