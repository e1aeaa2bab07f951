import Basics
import Model

extension EntryRow {
    /// The ETag that the row's content is filed under; nil for markers and directories.
    ///
    /// - Parameter prefix: of the row's directory.
    public func contentETag(prefix: @autoclosure () throws -> [UInt8]) rethrows -> ETag? {
        guard let etag = etagValue else { return nil }
        guard flags.contains(.filedByVersion) else { return etag }
        return etag.filed(
            key: try prefix() + Array(name), versionId: versionIsUnknown ? nil : Array(versionId),
            lastModified: lastModified)
    }
}

extension VersionIdentity {
    /// The ETag that the version's content is filed under; nil for a marker.
    public func contentETag(key: [UInt8], _ flags: EntryRow.Flags) -> ETag? {
        guard flags.contains(.filedByVersion) else { return etag }
        return etag?.filed(key: key, versionId: versionId, lastModified: lastModified)
    }
}
