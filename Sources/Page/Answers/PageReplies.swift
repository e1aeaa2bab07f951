import Index
import Model
import Survey

// The JSON of `/-/api/…`. What is not known, or has nothing to say, is left out.

struct ViewReply: Encodable {
    let name: String
    let time: String
    let isSnapshot: Bool

    init(_ view: View) {
        name = view.name
        time = view.time.rfc3339
        if case .snapshot = view.kind { isSnapshot = true } else { isSnapshot = false }
    }
}

struct SnapshotReply: Encodable {
    let name: String
    let takenAt: String
    let keys: Int64
    let bytes: Int64
}

struct SnapshotsReply: Encodable {
    let bucket: String
    let first: String
    let last: String
    let instantsSince: String
    let snapshots: [SnapshotReply]
}

struct ItemReply: Encodable {
    let name: String
    let isFolder: Bool
    let isShown: Bool
    let size: Int64?
    let lastModified: String?
    let versionId: String?
    let etag: String?
    let keys: Int64?
    let bytes: Int64?
    let change: ChangeReply?
    let deletedAt: String?
}

struct ListReply: Encodable {
    let view: ViewReply
    let with: ViewReply?
    let prefix: String
    let items: [ItemReply]
    let next: String?
}

struct VersionReply: Encodable {
    let versionId: String?
    let lastModified: String
    let size: Int64
    let etag: String?
    let isLatest: Bool
    let deleteMarker: Bool
    let state: String?
}

struct VersionsReply: Encodable {
    let key: String
    let versions: [VersionReply]
}

struct FolderReply: Encodable {
    let prefix: String
    let keys: Int64
    let bytes: Int64
}

struct UsageReply: Encodable {
    let view: ViewReply
    let prefix: String
    let keys: Int64
    let bytes: Int64
    let folders: [FolderReply]
}

struct ChangeReply: Encodable {
    let added: Int64
    let addedBytes: Int64
    let removed: Int64
    let removedBytes: Int64
    let modified: Int64
    let modifiedBytes: Int64

    init(_ change: FolderChange) {
        added = change.added.keys
        addedBytes = change.added.bytes
        removed = change.removed.keys
        removedBytes = change.removed.bytes
        modified = change.modified.keys
        modifiedBytes = change.modified.bytes
    }
}

struct ChangedKeyReply: Encodable {
    let key: String
    let change: String
    let fromVersionId: String?
    let toVersionId: String?
}

struct ChangedFolderReply: Encodable {
    let prefix: String
    let change: ChangeReply
    let keys: [ChangedKeyReply]
    let folders: [ChangedFolderReply]

    init(_ folder: ChangedFolder) {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        prefix = text(folder.prefix)
        change = ChangeReply(folder.change)
        keys = folder.keys.map { key in
            ChangedKeyReply(
                key: text(key.key), change: key.change.rawValue, fromVersionId: key.from?.versionId.map(text),
                toVersionId: key.to?.versionId.map(text))
        }
        folders = folder.folders.map { ChangedFolderReply($0) }
    }
}

struct ChangesReply: Encodable {
    let from: ViewReply
    let to: ViewReply
    let isComplete: Bool
    let folder: ChangedFolderReply
}

struct PointReply: Encodable {
    let time: String
    let keys: Int64
    let bytes: Int64
    let arrivedVersions: Int64
    let arrivedBytes: Int64
    let leftVersions: Int64
    let leftBytes: Int64
}

struct HistoryReply: Encodable {
    let prefix: String
    let points: [PointReply]
    let changes: [String]?
}

struct FoundReply: Encodable {
    let key: String
    let size: Int64
    let lastModified: String
    let etag: String?
    let versionId: String?
    let deleted: Bool
    let deletedAt: String?
}

struct FindReply: Encodable {
    let found: [FoundReply]
    let isComplete: Bool
}
