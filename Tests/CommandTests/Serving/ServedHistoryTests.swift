import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// Every date of random histories, as a bucket: what the model says that it shows.
@Suite struct ServedHistoryTests {
    @Test(arguments: [3, 4, 5, 6] as [UInt64])
    func everyDateIsTheBucketThatTheModelSays(seed: UInt64) throws {
        try Scenario.use { scenario in
            let life = HistoryScenario(seed: seed, withNUL: true)
            try life.writeInventories(to: "\(scenario.directory)/inventories")
            try scenario.initialize(life.bucket.name, inventory: "file://\(scenario.directory)/inventories")
            var history = try History([])
            for inventory in life.inventories {
                try scenario.succeed("sync", "--metadata-only", "--date", inventory.name)
                history = try history.syncing(inventory)
            }
            let instants = HistoryScenario.interestingInstants(history).enumerated().filter { $0.offset % 7 == 0 }
            let days = history.inventories.map { String($0.name.prefix(10)) } + ["1999-01-01", "2199-01-01"]
            let dates = history.inventories.map(\.name) + days + instants.map(\.element.rfc3339) + ["latest", "2001w"]
            let list = "\(scenario.directory)/dates"
            try Files.replace(list, with: bytes(dates.map { $0.lowercased() }.joined(separator: "\n")), mode: 0o600)
            let served = try scenario.serve()
            let result = try scenario.script("dates.py", [served.endpoint, life.bucket.name, list])
            let shown = try #require(result["dates"] as? [String: Any])
            for date in dates {
                let expected: Set<[String]>?
                do {
                    let view = HistoryComparison.view(history, try history.resolve(date, now: .now()))
                    expected = Set(
                        view.map { key, version in
                            let time = version.lastModified.rfc3339
                            return [Hex.encode(key.bytes), version.etag.string, "\(version.size)", time]
                        })
                } catch {
                    expected = nil
                }
                let rows = shown[date.lowercased()] as? [[Any]]
                let found = rows.map { rows in
                    Set(rows.map { row in row.map { "\($0)".replacing(".000Z", with: "Z") } })
                }
                #expect(found == expected, "seed \(seed) at \(date)")
                #expect(rows?.count == expected?.count, "a key twice")
            }
            try expectVersions(result, history, seed)
        }
    }

    private func expectVersions(_ result: [String: Any], _ history: History, _ seed: UInt64) throws {
        let rows = try #require(result["versions"] as? [[Any]])
        var byKey: [String: [[Any]]] = [:]
        for row in rows { byKey["\(row[0])", default: []].append(row) }
        #expect(byKey.count == history.keys.count)
        for key in history.keys {
            let found = byKey[Hex.encode(key.bytes)] ?? []
            let expected = history.versions(key) ?? []
            #expect(found.map { "\($0[4])" } == expected.map { $0.version.etag.string }, "seed \(seed), \(key)")
            #expect(found.map { $0[1] as? Bool } == expected.map { $0.version.isMarker }, "seed \(seed), \(key)")
            #expect(found.map { $0[2] as? Bool } == expected.map(\.isLatest), "seed \(seed), \(key)")
            #expect(Set(found.map { "\($0[3])" }).count == found.count, "seed \(seed), \(key): an id twice")
        }
        let order = rows.map { "\($0[0])" }
        #expect(zip(order, order.dropFirst()).allSatisfy { $0.0 <= $0.1 })
    }
}
