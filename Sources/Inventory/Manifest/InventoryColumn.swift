/// A column of an inventory that Icecore uses, by its name in `fileSchema`.
public enum InventoryColumn: String, Sendable, CaseIterable {
    case bucket = "Bucket"
    case key = "Key"
    case versionId = "VersionId"
    case isLatest = "IsLatest"
    case isDeleteMarker = "IsDeleteMarker"
    case size = "Size"
    case lastModified = "LastModifiedDate"
    case etag = "ETag"
    case storageClass = "StorageClass"
    case isMultipartUploaded = "IsMultipartUploaded"
    case encryptionStatus = "EncryptionStatus"
    case accessTier = "IntelligentTieringAccessTier"

    /// The columns without which a report cannot be synced.
    public static let required: [InventoryColumn] = [.bucket, .key, .size, .lastModified]

    /// A small number for each column, to index with.
    @inline(__always)
    var slot: Int {
        switch self {
        case .bucket: 0
        case .key: 1
        case .versionId: 2
        case .isLatest: 3
        case .isDeleteMarker: 4
        case .size: 5
        case .lastModified: 6
        case .etag: 7
        case .storageClass: 8
        case .isMultipartUploaded: 9
        case .encryptionStatus: 10
        case .accessTier: 11
        }
    }
}
