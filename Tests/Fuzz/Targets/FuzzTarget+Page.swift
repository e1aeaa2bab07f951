import S3

extension FuzzTarget {
    /// Rows are in the order of their keys, each has what a row of an inventory must have, and a copy says the same.
    static func page(_ bytes: [UInt8]) {
        attempt {
            let page = try S3VersionPage(xml: bytes)
            var last: [UInt8] = []
            for row in page.rows {
                let key = page.copy(row.key)
                precondition(!key.isEmpty && !key.lexicographicallyPrecedes(last), "keys are in no order")
                precondition(row.isMarker || !row.etag.isEmpty, "a version without an ETag")
                precondition(row.size >= 0, "a size below zero")
                precondition(!page.isOfObjects || row.isLatest && row.versionId.isEmpty, "an object that has versions")
                last = key
            }
            precondition((page.next != nil) == page.isTruncated, "a page goes on, or it does not")
            if let next = page.next, !page.rows.isEmpty { precondition(next.key == last, "the next page is elsewhere") }
            let copy = page.excerpt(page.rows.indices)
            precondition(copy.rows.count == page.rows.count)
            for (own, other) in zip(page.rows, copy.rows) {
                precondition(page.copy(own.key) == copy.copy(other.key) && own.lastModified == other.lastModified)
                precondition(page.copy(own.versionId) == copy.copy(other.versionId))
                precondition(page.copy(own.etag) == copy.copy(other.etag))
                precondition(page.copy(own.storageClass) == copy.copy(other.storageClass))
            }
        }
    }
}
