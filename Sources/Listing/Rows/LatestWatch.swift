import S3

/// Notices keys of which two versions are marked latest, or none, while pages pass by: the bucket has changed between two
/// of them.
struct LatestWatch {
    /// The key of the last row.
    private var key: [UInt8] = []
    private var hasKey = false
    /// The version that is marked latest, and how many are.
    private var latest: [UInt8] = []
    private var count = 0
    private var spansPages = false

    /// Looks at the rows of a page that belong to a range.
    ///
    /// - Parameter isLast: no row of the range comes after them.
    /// - Returns: the keys that are to be listed again.
    mutating func pass(_ page: S3VersionPage, _ rows: Range<Int>, isLast: Bool) -> [[UInt8]] {
        var doubtful: [[UInt8]] = []
        func conclude(_ watch: LatestWatch) {
            // Within a page the server knows what it says: only a second latest is too much.
            if watch.hasKey, watch.count > 1 || watch.count == 0 && watch.spansPages { doubtful.append(watch.key) }
        }
        page.withBytes { bytes in
            var previous: UnsafeRawBufferPointer?
            for place in rows {
                let row = page.rows[place]
                let name = row.key.bytes(in: bytes)
                let isSame: Bool
                if let previous {
                    isSame = name.isEqual(to: previous)
                } else {
                    isSame = hasKey && name.elementsEqual(key)
                    if isSame { spansPages = true }
                }
                if !isSame {
                    if let previous { key = Array(previous) }
                    conclude(self)
                    (hasKey, spansPages, count) = (true, false, 0)
                    latest.removeAll(keepingCapacity: true)
                }
                previous = name
                if row.isLatest {
                    let version = row.versionId.bytes(in: bytes)
                    // A marker that is listed again is no second version.
                    if count == 0 || !version.elementsEqual(latest) {
                        count += 1
                        latest = Array(version)
                    }
                }
            }
            if let previous { key = Array(previous) }
        }
        if isLast {
            conclude(self)
            hasKey = false
        }
        return doubtful
    }
}
