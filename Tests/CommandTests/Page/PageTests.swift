import Basics
import Foundation
import Testbed
import Testing

/// The page in a browser: Tests/browser/page.py uses it as people do, and as strangers would like it to be used.
@Suite(.serialized) struct PageTests {
    typealias Row = InventoryFolder.Row

    /// A key that is markup.
    private static let markup = "<img src=x onerror=document.title='owned'>.txt"

    private static func fill(_ scenario: Scenario) throws {
        let script = "<script>document.title='owned';parent.document.title='owned'</script>"
        let rectangle = "<rect width='9' height='9'/>"
        let image = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>\(script)\(rectangle)</svg>"
        var first = [
            Row("data/table.csv", bytes("site,count\nA,1\n")), Row("data/lost.txt", bytes("gone tomorrow\n")),
            Row(markup, bytes(script)), Row("evil.html", bytes("<html><body>\(script)</body></html>")),
            Row("evil.svg", bytes(image)), Row("evil.txt", bytes("</pre>\(script)")),
            Row("\"><script>document.title='owned'</script>/inner", bytes("x")),
            Row("sp ace/ü/a+b&c=d?#e%41", bytes("y")),
            Row("dots/../up", bytes("z")),
        ]
        try scenario.add("2024-03-20T01-00Z", first)
        first[0].isLatest = false
        first[1].isLatest = false
        let many = (0..<450).map { Row("data/many/\($0)", bytes("\($0)"), at: "2024-05-02T00:00:00.000Z") }
        let second =
            first + many + [
                Row("data/table.csv", bytes("site,count\nA,2\n"), at: "2024-05-01T12:00:00.000Z"),
                Row("data/lost.txt", [], versionId: "marker", at: "2024-05-01T13:00:00.000Z").with {
                    $0.isMarker = true
                },
            ]
        try scenario.add("2024-06-01T01-00Z", second)
        for name in ["2024-03-20T01-00Z", "2024-06-01T01-00Z"] { try scenario.succeed("sync", "--date", name) }
    }

    @Test func theBrowserFindsEverythingAsItShouldBe() throws {
        try Scenario.withBucket { scenario in
            try Self.fill(scenario)
            let script = Testbed.root + "/Tests/browser/page.py"
            let run = try scenario.run(
                under: [Testbed.root + "/.build/testbed-venv/bin/python3", script],
                ["serve", "--store", scenario.store, "--offline"],
                environment: ["HOME": scenario.directory, "PATH": "/usr/bin:/bin"], seconds: 900)
            #expect(run.status == 0, "\(run.text)\n\(run.stderr)")
        }
    }

    /// What took long to sum up is kept in a file, which counts for nothing once it is damaged.
    @Test func sumsOutliveTheServer() throws {
        try Scenario.withBucket { scenario in
            let name = "2024-03-20T01-00Z"
            try scenario.add(name, (0..<5000).map { Row("data/\($0 % 100)/\($0)", bytes("same")) })
            try scenario.succeed("sync", "--metadata-only")
            let file = "\(scenario.store)/page.sums"
            func keys() throws -> Int? {
                let served = try scenario.serve("--offline")
                let answer = try scenario.ask(served, "/-/api/du?at=\(name)")
                served.program.kill(SIGTERM)
                _ = try served.program.wait()
                let record = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
                return record?["keys"] as? Int
            }
            #expect(try keys() == 5000)
            let kept = String(decoding: try Files.read(file, limit: 4 << 20), as: UTF8.self)
            let json = try #require(kept.split(separator: "\n", maxSplits: 1).last)
            // It is read: what it says is shown.
            let other = json.replacing("\"keys\":5000", with: "\"keys\":5001")
            #expect(other != json)
            let digest = Hex.encode(SHA256.digest(Array(other.utf8)))
            try Files.replace(file, with: bytes("icecore page sums 1 \(digest)\n\(other)"))
            #expect(try keys() == 5001)
            for damaged in [kept.replacing("5000", with: "5002"), "", "icecore page sums 1 \n", "x\n[]"] {
                try Files.replace(file, with: bytes(damaged))
                #expect(try keys() == 5000)
            }
            try scenario.succeed("verify")
        }
    }

    /// A key that is asked for by the browser, and a page that opens at a date.
    @Test func theBrowserGetsInWithAKeyAndOpensAtADate() throws {
        try Scenario.withBucket { scenario in
            try Self.fill(scenario)
            let keys = "\(scenario.directory)/keys"
            try Files.replace(
                keys, with: bytes("[a]\naws_access_key_id = AKIABROWSER\naws_secret_access_key = se:cret/of+it\n"),
                mode: 0o600)
            let script = Testbed.root + "/Tests/browser/modes.py"
            let run = try scenario.run(
                under: [Testbed.root + "/.build/testbed-venv/bin/python3", script],
                ["serve", "--store", scenario.store, "--offline"],
                environment: [
                    "HOME": scenario.directory, "PATH": "/usr/bin:/bin", "KEYS": keys, "KEY_ID": "AKIABROWSER",
                    "KEY_SECRET": "se:cret/of+it",
                ], seconds: 600)
            #expect(run.status == 0, "\(run.text)\n\(run.stderr)")
        }
    }
}
