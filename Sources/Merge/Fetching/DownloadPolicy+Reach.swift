import Index
import Model

extension DownloadPolicy {
    /// Whether a content is not requested although its key is: it is archived, or encrypted with a key of its owner. An
    /// empty content needs no request.
    @inline(__always)
    func leavesOut(_ flags: EntryRow.Flags, size: Int64) -> Bool {
        if flags.contains(.refused), !flags.contains(.expected) { return true }
        return flags.contains(.archived) && !fetchesArchived && size > 0
    }
}
