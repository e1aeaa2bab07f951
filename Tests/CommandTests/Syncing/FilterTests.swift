import Basics
import Testing

/// What a regular expression matches: keys as S3 has them, scalar by scalar, and not what a reader takes for a character.
@Suite struct FilterTests {
    typealias Row = InventoryFolder.Row

    private static let keys = [
        "dir/plain", "dir/\u{301}x.txt", "dir/\u{fe0f}v.txt", "dir/\u{200d}z.txt", "cafe\u{301}/2", "caf\u{e9}/1",
        "a\r\nb",
        "b/foo.txt", "b/food.txt",
    ]

    @Test(arguments: [
        ("^dir/", ["dir/plain", "dir/\u{301}x.txt", "dir/\u{fe0f}v.txt", "dir/\u{200d}z.txt"]),
        ("e/|e\u{301}/|fe", ["cafe\u{301}/2"]), ("\\n", ["a\r\nb"]), ("^caf\u{e9}/", ["caf\u{e9}/1"]),
        ("\\bfoo\\b", ["b/foo.txt"]),
    ])
    func exactlyTheKeysThatMatchAreFetched(filter: String, expected: [String]) throws {
        for isPermanent in [false, true] {
            try Scenario.withBucket(permanentFilter: isPermanent ? filter : nil) { scenario in
                // Every content is another one, so that each is asked for.
                let rows = Self.keys.map { Row($0, bytes("content of \($0)")) }
                try scenario.add("2024-03-02T01-00Z", rows)
                if isPermanent {
                    try scenario.succeed("sync")
                } else {
                    try scenario.succeed("sync", "--filter", filter)
                }
                let targets = try scenario.requests().keys
                let asked = rows.filter { row in targets.contains { $0.hasSuffix("versionId=\(row.versionId)") } }
                #expect(asked.map { Array($0.key.utf8) } == expected.map { Array($0.utf8) }, "\(asked.map(\.key))")
            }
        }
    }
}
