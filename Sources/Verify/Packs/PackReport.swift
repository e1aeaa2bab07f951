import Basics
import Model
import Packs

/// A content that a pack should have, and has damaged or not at all.
struct PackHit: Hashable, Sendable {
    /// Where its record is.
    let place: UInt32
    let key: PackKey
    /// Nil: the record's header, which would say it, is damaged; or it is a SHA-256, of which a pack has only one half.
    let name: BlobName?

    /// A sentence without a subject.
    var reason: String {
        if let name { return "has a damaged content at \(place): \(name.file)" }
        return "has a damaged record at \(place): \(key)…"
    }
}

/// What a check has found of one pack.
struct PackReport: Sendable {
    /// What a repair does with the pack.
    enum Remedy: Sendable {
        case none
        /// It is written anew without what is damaged.
        case rewriting
        /// It has vanished: the catalogue forgets it.
        case forgetting
        /// The catalogue says something else of it, and is made anew.
        case catalogue
    }

    let name: PackName
    /// What is wrong with the file as such; `reason` is a sentence without a subject.
    var trouble: (kind: Finding.Kind, reason: String)?
    var hits: [PackHit] = []
    var remedy = Remedy.none
    /// Whether the records are found by the directory, and not by a scan.
    var hasDirectory = true
    /// Whether the catalogue says what there was to be found by the scan.
    var isAccounted = false
    /// Where a scan has found the first sound record.
    var firstRecord: UInt32?

    init(_ name: PackName) {
        self.name = name
    }

    /// Relative to the store.
    var path: String { "packs/\(name.path)" }
    var isSound: Bool { trouble == nil && hits.isEmpty }
}
