/// Discards the changes, for a dry run.
public final class ChangeDiscard: ChangeSink {
    public init() {}

    public func take(_ buffer: ChangeBuffer) -> ChangeBuffer {
        buffer.removeAll()
        return buffer
    }
}
