import Basics
import S3

/// Lists a single key once more, page by page, until it comes without a gap and at most one of its versions is marked latest.
final class KeyRelisting {
    private(set) var marker = S3ListingMarker(after: [])
    private(set) var replacement: KeyReplacement
    private var seam: PageSeam?
    private var rows = 0
    private var latest: [[UInt8]] = []
    /// Where pages began: none may begin there again.
    private var markers: Set<S3ListingMarker> = []
    private var attempts = 1
    private static let mostAttempts = 5
    /// They are held until all have come.
    private static let mostRows = 200_000

    var key: [UInt8] { replacement.key }

    init(_ key: [UInt8]) {
        replacement = KeyReplacement(key: key)
    }

    /// Takes a page of what begins with the key.
    ///
    /// - Returns: whether the key is complete.
    func add(_ page: S3VersionPage) throws -> Bool {
        let continuation = seam?.find(in: page)
        let start = continuation?.start ?? 0
        let end = endOfKey(page, from: start)
        for row in page.rows[start..<end] where row.isLatest {
            let version = page.copy(row.versionId)
            if !latest.contains(version) { latest.append(version) }
        }
        rows += end - start
        guard rows <= Self.mostRows else { throw replacement.isLate() }
        if end > start { replacement.pages.append((page.excerpt(start..<end), 0..<(end - start))) }
        let isSound = continuation?.isSound ?? true
        if isSound, end == page.rows.count, let next = page.next, next.key == key {
            seam = PageSeam(page, next)
            marker = seam?.marker ?? next
            if markers.insert(marker).inserted { return false }
        } else if isSound, latest.count <= 1 {
            return true
        }
        guard attempts < Self.mostAttempts else {
            throw IcecoreError(
                .invalidData,
                "the server's listing of the key '\(Display.escaped(key))' contradicts itself, whenever it is listed: two "
                    + "versions are marked latest, or the same page comes again")
        }
        attempts += 1
        begin()
        return false
    }

    private func begin() {
        (seam, rows, latest, markers) = (nil, 0, [], [])
        marker = S3ListingMarker(after: [])
        replacement = KeyReplacement(key: key)
    }

    private func endOfKey(_ page: S3VersionPage, from start: Int) -> Int {
        page.withBytes { bytes in
            var end = start
            while end < page.rows.count, page.rows[end].key.bytes(in: bytes).elementsEqual(key) { end += 1 }
            return end
        }
    }
}
