import S3

/// The version that one page ends with and the next is to repeat: the next is asked for what follows the version before it.
///
/// A marker may stand for a version that is deleted before it is used. AWS goes on behind the place where it was; Ceph's
/// gateway skips all other versions of the key, and MinIO begins with its first again. What a page repeats shows where it
/// goes on, and that nothing is missing in between.
struct PageSeam {
    let key: [UInt8]
    private let versionId: [UInt8]
    /// What the next page is asked with.
    let marker: S3ListingMarker

    /// How a page goes on.
    struct Continuation {
        /// The first row that may be new.
        var start: Int
        /// Whether it has a version of the key: the repeated one or, where that has been deleted, another.
        var isSound: Bool
    }

    /// Shorter pages repeat nothing: where the marker itself is repeated, too, too little of them would be new.
    private static let shortestPage = 4

    /// Nil where nothing can be repeated.
    ///
    /// - Parameter next: where the page says that the next one begins.
    init?(_ page: S3VersionPage, _ next: S3ListingMarker) {
        guard !page.isOfObjects, page.rows.count >= Self.shortestPage, let last = page.rows.last else { return nil }
        versionId = page.copy(last.versionId)
        // If the server has a name of its own for the place, that is the only one.
        guard next.versionId == versionId else { return nil }
        key = next.key
        var found: S3ListingMarker?
        for row in page.rows.dropLast().suffix(2).reversed() {
            var marker = S3ListingMarker(after: page.copy(row.key))
            marker.versionId = page.copy(row.versionId)
            guard !marker.versionId.isEmpty, marker != next else { return nil }
            found = marker
            // Old gateways of Ceph do not find a null version by its id, and skip the rest of its key.
            if marker.key != key || !marker.versionId.elementsEqual("null".utf8) { break }
        }
        guard let found else { return nil }
        marker = found
    }

    /// Looks for the version in the page that was asked for with the marker.
    func find(in page: S3VersionPage) -> Continuation {
        page.withBytes { bytes in
            key.withUnsafeBytes { key in
                var start = 0
                while start < page.rows.count, page.rows[start].key.bytes(in: bytes).precedes(key) { start += 1 }
                guard start < page.rows.count, page.rows[start].key.bytes(in: bytes).isEqual(to: key) else {
                    return Continuation(start: start, isSound: false)
                }
                // What else is repeated may be among what is new: some servers list markers behind all versions.
                let isRepeated = page.rows[start].versionId.bytes(in: bytes).elementsEqual(versionId)
                return Continuation(start: isRepeated ? start + 1 : start, isSound: true)
            }
        }
    }
}
