import Basics

/// What a push marks for deletion, and what it deletes.
struct DeletionPlan {
    /// Directories of snapshots that stay.
    var history: [String] = []
    /// Marked, and not to be deleted by this push.
    var pending: [PendingDeletion] = []
    /// Marked by this push.
    var marked: [String] = []
    /// To be deleted once `latest.json` announces it.
    var due: [PendingDeletion] = []
    /// Names of blobs that the replica no longer counts as its own once `latest.json` says so.
    var droppedBlobs: Set<String> = []
    /// Names leave the manifest.
    var changesManifest = false
    /// There is something that the replica does not say yet.
    var needsSnapshot = false

    /// How long a push may take to delete, in milliseconds: while it does, no other push sends the same blobs.
    static let window: Int64 = 15 * 60_000

    /// What the new metadata says. What is being deleted stays listed until a later push knows that all of it is done.
    func announced(_ now: Timestamp) -> [PendingDeletion] {
        pending
            + due.map { PendingDeletion(paths: $0.paths, markedAt: $0.markedAt, deletingSince: now.rfc3339) }
    }
}
