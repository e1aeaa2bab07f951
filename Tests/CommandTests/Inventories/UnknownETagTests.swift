import Basics
import Foundation
import Testbed
import Testing

/// Inventories without the column ETag, the default of AWS's console.
@Suite struct UnknownETagTests {
    typealias Row = InventoryFolder.Row
    private static let names = ["2024-03-01T01-00Z", "2024-03-02T01-00Z"]
    private static let columns = InventoryFolder.columns.filter { $0 != "ETag" }
    /// Two of one size, an empty one, and one that is deleted later.
    private static let rows = ["a/one", "a/two", "b"].map { Row($0, bytes($0.prefix(1) + "?!")) } + [Row("empty", [])]

    private func addAll(_ scenario: Scenario) throws {
        try scenario.add(Self.names[0], Self.rows, columns: Self.columns)
        var second = Self.rows
        second[2].isLatest = false
        second.append(
            Row("b", [], versionId: "marker", at: "2024-03-01T12:00:00.000Z").with { $0.isMarker = true })
        try scenario.add(Self.names[1], second, columns: Self.columns)
    }

    private func snapshots(_ scenario: Scenario) throws -> [String] {
        try scenario.succeed("snapshots", "--json").records.compactMap { $0["name"] as? String }
    }

    @Test func aSyncOfContentsSaysBothWaysOut() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            for words in [[], ["--dry-run"]] {
                let run = try scenario.run(["sync", "--store", scenario.store] + words)
                #expect(run.status == 1 && run.complaints.count == 1 && run.stdout.isEmpty, "\(run)")
                for part in ["'ETag'", "inventory configuration", "--metadata-only"] {
                    #expect(run.stderr.contains(part), "\(part): \(run)")
                }
            }
            #expect(try snapshots(scenario).isEmpty)
            #expect(try scenario.requests().isEmpty)
        }
    }

    @Test func datesListingsAndMountsAreThereAndContentsAreNot() throws {
        try Scenario.withBucket { scenario in
            try addAll(scenario)
            try scenario.succeed("sync", "--metadata-only", "--from", Self.names[0], "--to", Self.names[1])
            #expect(try snapshots(scenario) == Self.names)
            #expect(try scenario.succeed("ls", "-R").text == "a/one\na/two\nempty\n")
            #expect(try scenario.succeed("ls", "-R", "--at", Self.names[0]).text == "a/one\na/two\nb\nempty\n")
            #expect(try scenario.succeed("ls", "-R", "--at", "2024-03-01T11:00:00Z").text.contains("b\n"))
            for record in try scenario.succeed("ls", "-R", "--json").records { #expect(record["etag"] is NSNull) }
            let versions = try scenario.succeed("versions", "b", "--json").records
            #expect(versions.count == 2)
            #expect(versions[0]["deleteMarker"] as? Bool == true && versions[1]["deleteMarker"] as? Bool == false)
            #expect(versions[1]["etag"] is NSNull && versions[1]["present"] as? Bool == false)
            #expect(try scenario.succeed("versions", "b").text.contains("  -"))
            #expect(try scenario.succeed("diff", Self.names[0], "latest").text.contains("b"))

            let cat = try scenario.run("cat", "a/one")
            #expect(cat.status == 1 && cat.stdout.isEmpty && cat.stderr.contains("no ETags"), "\(cat)")
            #expect(try scenario.succeed("cat", "empty").stdout.isEmpty)
            let mount = try scenario.mount()
            #expect(try Files.names(in: "\(mount)/a") == ["one", "two"])
            #expect(Files.size("\(mount)/a/one") == 3)
            let read = #expect(throws: IcecoreError.self) { _ = try Files.read("\(mount)/a/one", limit: 100) }
            #expect(read?.errno == EIO)
            #expect(try Files.read("\(mount)/empty", limit: 100).isEmpty)
            let attributes = try scenario.shell("getfattr -d '\(mount)/a/one'").text
            #expect(attributes.contains("user.icecore.key") && !attributes.contains("etag"), "\(attributes)")
            #expect(try scenario.run("export", "\(scenario.directory)/out").status == 3)
            #expect(try scenario.requests().isEmpty, "nothing can be asked for")
            scenario.unmount(mount)

            #expect(try scenario.findings(status: 0).isEmpty)
            #expect(try scenario.findings("--repair", status: 0).isEmpty)
            let views = try scenario.allViews(of: scenario.store)
            try scenario.succeed("reindex")
            #expect(try scenario.allViews(of: scenario.store) == views)
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            try scenario.expectSame(try scenario.clone(place, "copy"), as: scenario.store)
            // Programs that do not know of this refuse the store.
            let configuration = try Files.read("\(scenario.store)/icecore.json", limit: 1 << 20)
            let text = String(decoding: configuration, as: UTF8.self)
            #expect(text.contains("\"format\" : 3") && text.contains("etagsUnknownSince"), "\(text)")
        }
    }

    @Test(arguments: [true, false])
    func aStoreHasTheOneKindOrTheOther(isUnknownFirst: Bool) throws {
        try Scenario.withBucket { scenario in
            let kinds = [isUnknownFirst, !isUnknownFirst].map { $0 ? Self.columns : InventoryFolder.columns }
            try scenario.add(Self.names[0], Self.rows, columns: kinds[0])
            try scenario.add(Self.names[1], Self.rows, columns: kinds[1])
            try scenario.succeed("sync", "--metadata-only", "--date", Self.names[0])
            let before = try StoreDigest.of(scenario.store)
            for words in [["--dry-run"], []] {
                let run = try scenario.run(["sync", "--store", scenario.store, "--metadata-only"] + words)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("new store") && run.stderr.contains(Self.names[1]), "\(run)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            // In a range it is passed over, and what the store has can be synced again.
            let range = try scenario.run("sync", "--metadata-only", "--from", Self.names[0], "--to", Self.names[1])
            #expect(range.status == 3, "\(range)")
            // A store without snapshots takes either.
            try FileManager.default.removeItem(atPath: scenario.store)
            try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
            try scenario.succeed("sync", "--metadata-only")
            #expect(try snapshots(scenario) == [Self.names[1]])
        }
    }
}
