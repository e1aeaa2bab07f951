import Basics
import Testbed
import Testing

/// Versions that are deleted while their key is listed, at servers that then no longer know what a marker stands for.
@Suite struct ListingGapTests {
    private static func versions(_ key: String, _ count: Int) -> [S3Admin.ServedVersion] {
        (0..<count).map { age in
            S3Admin.ServedVersion(
                key: key, versionId: "\(key)-\(age)", isLatest: age == 0, deleteMarker: age % 7 == 3, size: Int64(age),
                lastModified: "2026-01-02T03:\(59 - age):05.000Z", etag: Hex.encode(MD5.digest(bytes("\(age)"))))
        }
    }

    private static func listed(_ scenario: Scenario, _ key: String) throws -> (ids: [String], latest: [String]) {
        let records = try scenario.succeed("versions", "--json", key).records
        func ids(where isIncluded: ([String: Any]) -> Bool = { _ in true }) -> [String] {
            records.filter(isIncluded).compactMap { $0["versionId"] as? String }
        }
        return (ids(), ids { $0["isLatest"] as? Bool ?? false })
    }

    /// As AWS goes on; as Ceph's gateway skips the key; as MinIO begins it anew.
    @Test(arguments: ["", "skips", "restarts"], [0, 3])
    func noVersionIsLostWhereOthersAreDeleted(forgets: String, before: Int) throws {
        let server = try ListingServer()
        try Scenario.use(server) { scenario in
            for page in [1, 3] {
                for places in [[1], [2], [2, 1]] {
                    try server.serve(
                        Self.versions("before", before) + Self.versions("often", 40) + Self.versions("to the end", 12))
                    let cut: [String: Any] = ["key": "often", "page": page, "places": places]
                    try server.set(["pageSize": 11, "forgets": forgets, "cut": cut])
                    let gone = Set(places.map { "often-\(10 * page + 1 - before - $0)" })
                    try? Files.removeAll(scenario.store)
                    let words = ["init", scenario.store, "--bucket", "s3://bucket", "--list"]
                    try #require(scenario.run(words).status == 0)
                    let run = try scenario.succeed("sync", "--metadata-only", "--jobs", "1")
                    let found = try Self.listed(scenario, "often")
                    let all = Set(Self.versions("often", 40).map(\.versionId))
                    let what: Comment = "page \(page), \(places), without \(all.subtracting(found.ids)): \(run)"
                    #expect(all.subtracting(found.ids).isSubset(of: gone) && gone.isSubset(of: all), what)
                    #expect(found.ids.count == Set(found.ids).count && found.latest == ["often-0"], what)
                    #expect(try Self.listed(scenario, "to the end").ids.count == 12, what)
                    if before > 0 { #expect(try Self.listed(scenario, "before").ids.count == before, what) }
                    #expect(try server.statistics().pages <= 12 + 6, what)
                }
            }
        }
    }
}
