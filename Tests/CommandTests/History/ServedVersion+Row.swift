import Basics
import ReferenceModel
import Testbed

extension S3Admin.ServedVersion {
    /// A row of the model as a server lists it.
    init(_ row: InventoryReport.Row) {
        let version = row.version
        self.init(
            key: version.key.string, versionId: version.id.bytes?.string ?? "null", isLatest: row.isLatest,
            deleteMarker: version.isMarker, size: version.isMarker ? nil : version.size,
            lastModified: version.lastModified.rfc3339, etag: version.etag.string)
    }
}
