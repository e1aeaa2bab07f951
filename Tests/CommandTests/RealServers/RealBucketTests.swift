import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A bucket with everything, on a server that checks every signature: synced, mounted, printed.
@Suite struct RealBucketTests {
    @Test(arguments: ["file", "s3"])
    func everyFileOfTheMountIsTheObject(inventory: String) throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(
                bucket.name, inventory: inventory == "s3" ? bucket.inventoryURL : "file://\(bucket.directory)")
            let synced = try scenario.succeed("sync", "--json")
            #expect(try synced.record["failed"] as? Int == 0)
            #expect(try synced.record["gone"] as? Int == 0)
            let mount = try scenario.mount()
            try SeenTree(mount).expect(MountTree(bucket.view), "the mount of latest", content: bucket.content)
            if inventory == "file" {
                let past = try scenario.mount("--history", name: "history")
                try SeenTree("\(past)/at/\(bucket.inventory.name)").expect(
                    MountTree(bucket.view), "the snapshot in the history", content: bucket.content)
                try SeenTree("\(past)/versions").expect(versionsOf: bucket.history, content: bucket.content)
            }
        }
    }

    @Test func everyContentCanBePrinted() throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(bucket.name, inventory: "file://\(bucket.directory)")
            try scenario.succeed("sync")
            for (index, version) in bucket.objects.enumerated() where index % 4 == 0 || version.key.hasPrefix("parts/")
            {
                let run = try scenario.run([
                    "cat", "--store", scenario.store, "--version-id", version.id.description, "--", version.key.string,
                ])
                #expect(
                    run.status == 0 && run.stdout.isSame(as: bucket.content(version) ?? []), "\(version): \(run.stderr)"
                )
            }
            for (index, (key, version)) in bucket.view.enumerated() where index % 8 == 0 {
                for when in ["latest", bucket.inventory.name] {
                    let run = try scenario.run(["cat", "--store", scenario.store, "--at", when, "--", key.string])
                    #expect(
                        run.status == 0 && run.stdout.isSame(as: bucket.content(version) ?? []),
                        "\(version): \(run.stderr)")
                }
            }
            // What a marker hides is not there, and a marker has no content.
            for marker in bucket.rows.filter({ $0.deleteMarker && $0.isLatest }).prefix(3) {
                #expect(try scenario.run(["cat", "--store", scenario.store, "--", marker.key]).status == 1)
                let run = try scenario.run([
                    "cat", "--store", scenario.store, "--version-id", marker.versionId, "--", marker.key,
                ])
                #expect(run.status == 1 && run.stderr.contains("delete marker"), "\(run)")
            }
        }
    }

    @Test func versionsAreThoseOfTheServer() throws {
        let bucket = try RealBucket.shared()
        try Scenario.use(bucket.server) { scenario in
            try scenario.initialize(bucket.name, inventory: "file://\(bucket.directory)")
            try scenario.succeed("sync", "--metadata-only")
            // Not grouped by String: two keys may be equal as Unicode and not as bytes.
            let byKey = Dictionary(grouping: bucket.rows) { ByteString($0.key) }
            for (index, (key, rows)) in byKey.enumerated() where index % 4 == 0 || rows.count > 3 {
                let run = try scenario.run(["versions", "--json", "--store", scenario.store, "--", key.string])
                #expect(run.status == 0)
                let ids = try run.records.map { $0["versionId"] as? String }
                #expect(Set(ids) == Set(rows.map(\.versionId)), "\(key)")
                #expect(ids.first == rows.first { $0.isLatest }?.versionId, "\(key)")
                #expect(try run.records.first?["deleteMarker"] as? Bool == rows.first { $0.isLatest }?.deleteMarker)
            }
        }
    }

    @Test func syncingAgainFetchesNothingAndNeverListsTheBucket() throws {
        // A bucket that no other test asks for.
        let server = try RGWServer.shared()
        let admin = try S3Admin(server)
        let name = "again-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(name)
        try admin.createBucket("\(name)-inventories")
        for number in 0..<40 { try admin.put(name, "key \(number % 30)", Array("content \(number)".utf8)) }
        try admin.delete(name, "key 1")
        try Scenario.use(server) { scenario in
            var options = S3Admin.InventoryOptions()
            options.destination = "\(name)-inventories"
            let inventory = try admin.makeInventory(of: name, in: "\(scenario.directory)/inventories", options)
            try scenario.initialize(name, inventory: "s3://\(name)-inventories/\(inventory.prefix)")
            server.mark("\(name)-before", admin)
            try scenario.succeed("sync")
            server.mark("\(name)-between", admin)
            let second = try scenario.succeed("sync", "--json")
            #expect(try second.record["fetched"] as? Int == 0)
            server.mark("\(name)-after", admin)

            let log = try server.requests(upTo: "\(name)-after")
            let between = try #require(log.firstIndex { $0.contains("\(name)-between") })
            let before = try #require(log.firstIndex { $0.contains("\(name)-before") })
            let first = log[before..<between].filter { $0.contains(" /\(name)/") }
            let again = log[between...].filter { $0.contains(" /\(name)/") || $0.contains(" /\(name)?") }
            #expect(first.count == 40, "the first sync fetches each version once")
            #expect(first.allSatisfy { $0.hasPrefix("GET /\(name)/key%20") && $0.contains("versionId=") }, "\(first)")
            #expect(again.isEmpty, "the second sync asks the bucket for nothing")
            #expect(log[between...].contains { $0.contains("/\(name)-inventories") }, "the log shows its requests")
        }
    }
}
