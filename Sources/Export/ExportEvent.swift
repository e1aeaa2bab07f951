/// What an export has to say of a single file.
public enum ExportEvent {
    /// Not written: the store does not have its content. With the cause, if there is one.
    case missing(key: [UInt8], MissingReason, cause: String?)
    /// Not written: the target cannot have it.
    case leftOut(key: [UInt8], LeftOutReason, cause: String?)
    /// Removed, or in a rehearsal to be removed; the path is below the target.
    case deleted(path: [UInt8])
}
