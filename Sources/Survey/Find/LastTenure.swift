import Basics
import Index
import Model

/// Of the rows of one key: the version that the latest view shows, or else the one that was current last.
struct LastTenure {
    private var identity: VersionIdentity?
    private var flags: EntryRow.Flags = []
    private var end: Int64 = .min
    private(set) var isShown = false

    /// - Parameter isShown: the latest view shows the row.
    mutating func add(_ row: borrowing EntryRow, isShown isRowShown: Bool) {
        if row.isMarker || isShown { return }
        let rowIdentity = row.identity
        if isRowShown {
            isShown = true
            identity = rowIdentity
            flags = row.flags
            return
        }
        // Tenures of one key do not overlap, so the last to end is the last.
        let isCurrentOnce = row.valid.from != .max
        let rowEnd = isCurrentOnce ? row.valid.to : .min
        if let known = identity {
            guard rowEnd >= end else { return }
            // What never was current has no order but that of its dates.
            if rowEnd == end, !LastTenure.isLater(rowIdentity, than: known) { return }
        }
        identity = rowIdentity
        flags = row.flags
        end = rowEnd
    }

    /// What is to be said of the key; nil if no object was ever there.
    func found(key: [UInt8]) -> FoundKey? {
        guard let identity else { return nil }
        let isDated = !isShown && end != .min && end != .max
        return FoundKey(
            key: key, identity: identity, flags: flags, isDeleted: !isShown,
            deletedAt: isDated ? Timestamp(milliseconds: end) : nil)
    }

    private static func isLater(_ identity: VersionIdentity, than other: VersionIdentity) -> Bool {
        if identity.lastModified != other.lastModified { return identity.lastModified > other.lastModified }
        return (other.versionId ?? []).lexicographicallyPrecedes(identity.versionId ?? [])
    }
}
