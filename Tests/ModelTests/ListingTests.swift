import ReferenceModel
import Testing

@Suite struct ListingTests {
    let view = TreeTests.view([
        "a": 1, "a-": 1, "a/": 0, "a/b": 1, "a/c/d": 1, "a/c/e": 1, "a0": 1, "b//x": 1, "/y": 1, "é": 1,
    ])

    /// Keys as they are, prefixes in brackets.
    func names(_ lines: [LsLine]) -> [String] {
        lines.map { line in
            if case .prefix(let prefix) = line { "[\(prefix.string)]" } else { line.name.string }
        }
    }

    @Test func oneLevel() {
        #expect(names(lsOneLevel(view)) == ["[/]", "a", "a-", "[a/]", "a0", "[b/]", "é"])
        #expect(names(lsOneLevel(view, "a")) == ["a", "a-", "[a/]", "a0"])
        #expect(names(lsOneLevel(view, "a/")) == ["a/", "a/b", "[a/c/]"])
        #expect(names(lsOneLevel(view, "a/c")) == ["[a/c/]"])
        #expect(names(lsOneLevel(view, "b/")) == ["[b//]"])
        #expect(names(lsOneLevel(view, "/")) == ["/y"])
        #expect(names(lsOneLevel(view, "none")) == [])
    }

    @Test func recursive() {
        #expect(
            names(lsRecursive(view))
                == ["/y", "a", "a-", "a/", "a/b", "a/c/d", "a/c/e", "a0", "b//x", "é"])
        #expect(names(lsRecursive(view, "a/c")) == ["a/c/d", "a/c/e"])
    }

    @Test func outputIsReadStrictly() throws {
        let line = #"{"key":"é\u0000\n","size":1,"lastModified":"1970-01-01T00:00:05Z","etag":"e","versionId":null}"#
        #expect(
            try LsLine.parse(Array("\(line)\n{\"prefix\":\"a/\"}\n".utf8)) == [
                .key("é\0\n", size: 1, lastModified: RuleTests.at(5), etag: "e", id: .unknown), .prefix("a/"),
            ])
        #expect(try LsLine.parse([]) == [])
        for bad in [
            "{}", "[]", "x", line.replacing("\"size\":1", with: "\"size\":\"1\""),
            line.replacing("\"versionId\"", with: "\"versionID\""),
        ] {
            #expect(throws: MalformedOutput.self) { try LsLine.parse(Array(bad.utf8)) }
        }
    }

    @Test func otherRecords() throws {
        let marker =
            #"{"key":"k","versionId":"null","lastModified":"1970-01-01T00:00:05Z","size":0,"etag":null,"#
            + #""isLatest":true,"deleteMarker":true,"present":null}"#
        #expect(
            try VersionsLine.parse(Array(marker.utf8)) == [VersionsLine(RuleTests.marker(.null, 5), isLatest: true)])
        let snapshot = #"{"name":"S","takenAt":"1970-01-01T00:00:05.250Z","complete":true,"keys":3,"bytes":10}"#
        var expected = SnapshotsLine(name: "S", takenAt: RuleTests.at(5), keys: 3, bytes: 10)
        expected.takenAt.milliseconds += 250
        #expect(try SnapshotsLine.parse(Array(snapshot.utf8)) == [expected])
    }

    @Test func differences() {
        var new = view
        new["a"] = nil
        new["a-"]?.id = "2"
        new["z"] = TreeTests.view(["z": 1])["z"]
        #expect(
            History.diffLines(view, new) == [
                DiffLine(.removed, "a", old: "1", new: nil), DiffLine(.modified, "a-", old: "1", new: "2"),
                DiffLine(.added, "z", old: nil, new: "1"),
            ])
        #expect(History.diffLines(view, view) == [])
        #expect(History.diffLines(view, new, "z").count == 1)
    }
}
