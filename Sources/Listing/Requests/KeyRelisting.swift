import Basics
import S3

/// Lists a single key once more, page by page, until at most one of its versions is marked latest.
final class KeyRelisting {
    private(set) var marker = S3ListingMarker(after: [])
    private(set) var replacement: KeyReplacement
    private var latest: [[UInt8]] = []
    private var attempts = 1
    private static let mostAttempts = 5

    var key: [UInt8] { replacement.key }

    init(_ key: [UInt8]) {
        replacement = KeyReplacement(key: key)
    }

    /// Takes a page of what begins with the key.
    ///
    /// - Returns: whether the key is complete.
    func add(_ page: S3VersionPage) throws -> Bool {
        var count = 0
        page.withBytes { bytes in
            for row in page.rows {
                guard row.key.bytes(in: bytes).elementsEqual(key) else { break }
                count += 1
                let version = page.copy(row.versionId)
                if row.isLatest, !latest.contains(version) { latest.append(version) }
            }
        }
        if count > 0 { replacement.pages.append((page.excerpt(0..<count), 0..<count)) }
        if count == page.rows.count, let next = page.next, next.key == key {
            guard next != marker else {
                throw IcecoreError(
                    .invalidData, "the server's listing does not get past the key '\(Display.escaped(key))'")
            }
            marker = next
            return false
        }
        if latest.count <= 1 { return true }
        guard attempts < Self.mostAttempts else {
            throw IcecoreError(
                .invalidData,
                "the server marks two versions of the key '\(Display.escaped(key))' latest, whenever it is listed")
        }
        attempts += 1
        latest = []
        marker = S3ListingMarker(after: [])
        replacement = KeyReplacement(key: key)
        return false
    }
}
