import Basics
import Foundation
import Testbed
import Testing

/// Earlier pushes can be opened; kept inventories travel; a push can be slowed down.
@Suite struct EarlierPushTests {
    @Test(arguments: [(kind: "file", isPacked: false), ("file", true), ("moto", true)])
    func anEarlierPushIsRead(_ kind: String, isPacked: Bool) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            if isPacked { try scenario.succeed("pack", "--below", "1M") }
            try scenario.push(place)
            let before = try scenario.run(["ls", "-R", "--json", "--store", scenario.store]).stdout
            try PackedReplicaTests.addDay(scenario, 4, 3)
            try scenario.push(place)
            func read(_ words: String..., status: Int32 = 0) throws -> Run {
                let run = try scenario.run(
                    words + ["--replica", place.url, "--cache", "\(scenario.directory)/cache"] + place.flags,
                    environment: place.environment)
                #expect(run.status == status, "\(run)")
                return run
            }
            let pushes = try read("snapshots", "--pushes", "--json").records
            #expect(pushes.map { $0["sequence"] as? Int } == [1, 2])
            #expect(pushes.map { $0["latest"] as? Bool } == [false, true])
            #expect(pushes.map { $0["newest"] as? String } == ["2024-03-03T01-00Z", "2024-03-04T01-00Z"])
            let name = try #require(pushes[0]["push"] as? String)
            #expect(try read("snapshots", "--pushes").text.contains(name))
            for push in [name, "1", "snapshots/\(name)"] {
                #expect(try read("ls", "-R", "--json", "--push", push).stdout == before)
            }
            #expect(try read("cat", "small/2/2", "--push", "1").text == "content 2")
            #expect(try read("cat", "day 4/1", "--push", "2").text == "new on 4: 1")
            #expect(try read("ls", "day 4/", "--push", "1").text.isEmpty)
            #expect(try read("ls", "--push", "3", status: 1).stderr.contains("has no push '3'"))
            let point = "\(scenario.directory)/mnt"
            try scenario.mountReplica(place, point, "--push", name)
            #expect(try Files.read("\(point)/small/2/5", limit: 100) == bytes("content 5"))
            #expect(!Files.exists("\(point)/day 4"))
            let clone = try scenario.clone(place, "clone", "--push", "1")
            #expect(try scenario.run(["ls", "-R", "--json", "--store", clone]).stdout == before)
        }
    }

    @Test(arguments: [(kind: "file", isPacked: false), ("RGW", true)])
    func aCloneCanBeReindexed(_ kind: String, isPacked: Bool) throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place(kind, scenario)
            if isPacked { try scenario.succeed("pack", "--below", "1M") }
            try scenario.push(place)
            try PackedReplicaTests.addDay(scenario, 4, 3)
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            #expect(
                try StoreDigest.files("\(clone)/inventories") == StoreDigest.files("\(scenario.store)/inventories"))
            let views = try scenario.allViews(of: clone)
            for suffix in ["", "-wal", "-shm"] { try Files.remove("\(clone)/index.sqlite\(suffix)") }
            let run = try scenario.run(["reindex", "--store", clone])
            #expect(run.status == 0, "\(run)")
            #expect(try scenario.allViews(of: clone) == views)
            #expect(try scenario.run(["verify", "--store", clone]).status == 0)
            // Those of dropped snapshots go.
            try scenario.succeed("prune", "--keep-last", "1")
            for _ in 0..<2 { try scenario.push(place, "--prune", "--grace", "0h") }
            let last = try scenario.clone(place, "last")
            #expect(try Files.names(in: "\(last)/inventories") == ["2024-03-04T01-00Z"])
            if kind == "file" {
                #expect(try Files.names(in: "\(scenario.directory)/replica/inventories").count <= 3)
                #expect(
                    try StoreDigest.files("\(scenario.directory)/replica/inventories").allSatisfy {
                        $0.hasPrefix("2024-03-04")
                    })
            }
        }
    }

    @Test(arguments: ["file", "moto"]) func aPushKeepsToItsRate(_ kind: String) throws {
        try Scenario.withContents(small: 3) { scenario in
            let place = try PushTests.place(kind, scenario)
            let began = MonotonicClock.milliseconds()
            try scenario.push(place, "--limit-rate", "2M")
            // 5.5 MB of contents.
            #expect(MonotonicClock.milliseconds() - began > 2000)
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
        }
    }
}
