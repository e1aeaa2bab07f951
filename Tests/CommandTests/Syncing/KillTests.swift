import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// A sync that is killed at any moment, and another one after it: the same store as without.
@Suite struct KillTests {
    typealias Row = InventoryFolder.Row

    /// When to kill.
    enum KillMoment: CustomTestStringConvertible, Sendable {
        /// After this part of the time that a sync takes.
        case after(Double)
        /// When so many blobs are there.
        case blobs(Int)
        /// When something is being downloaded.
        case download
        /// When the commit writes to the index.
        case commit

        var testDescription: String {
            switch self {
            case .after(let part): "after \(Int(part * 100)) % of the time"
            case .blobs(let count): "with \(count) blobs"
            case .download: "during a download"
            case .commit: "during the commit"
            }
        }
    }

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z"]
    private static let first: [Row] = {
        var rows = (0..<250).map { Row("object/\($0)", bytes("content \($0)")) }
        rows += (0..<20).map { Row("large/\($0)", RealBucket.content(seed: UInt64($0), count: 100_000)) }
        // Many rows make a merge that takes its time; one content makes the downloads few.
        rows += (0..<4000).map { Row("many/\($0 / 100)/\($0)", bytes("the same")) }
        return rows
    }()
    private static let second: [Row] = {
        var rows = first.map { $0 }
        for place in stride(from: 0, to: 250, by: 2) {
            rows[place].isLatest = false
            rows.append(Row(rows[place].key, bytes("newer \(place)"), at: "2024-03-02T12:00:00.000Z"))
        }
        for place in stride(from: 1, to: 250, by: 20) {
            rows[place].isLatest = false
            rows.append(
                Row(rows[place].key, [], versionId: "marker\(place)", at: "2024-03-02T13:00:00.000Z").with {
                    $0.isMarker = true
                })
        }
        return rows
    }()

    /// What a store holds, as far as people can tell.
    private struct State: Equatable {
        var blobs: [String: String]
        var snapshots: [UInt8]
        var listings: [[UInt8]]
        var versions: [[UInt8]]

        init(_ scenario: Scenario) throws {
            blobs = try StoreDigest.blobs(scenario.store)
            snapshots = try scenario.succeed("snapshots", "--json").stdout
            listings = try KillTests.names.map { try scenario.succeed("ls", "-R", "--json", "--at", $0).stdout }
            listings.append(try scenario.succeed("ls", "-R", "--json", "--at", "2024-03-02T12:30:00Z").stdout)
            versions = try stride(from: 0, to: 250, by: 25).map {
                try scenario.succeed("versions", "--json", "object/\($0)").stdout
            }
        }
    }

    @Test func aKilledSyncLeavesNoTraceAfterTheNext() throws {
        let moments: [KillMoment] = [
            .after(0.05), .after(0.2), .after(.random(in: 0...1)), .after(.random(in: 0...1)), .after(0.9), .blobs(1),
            .blobs(200), .download, .commit, .commit,
        ]
        try Scenario.withBucket { scenario in
            try scenario.add(Self.names[0], Self.first)
            try scenario.add(Self.names[1], Self.second)
            var delay = try KillDelay {
                for name in Self.names { try scenario.succeed("sync", "--date", name) }
            }
            // Two syncs took that long.
            delay.note(isKilled: false)
            let reference = try State(scenario)
            var killed = 0
            for (number, moment) in moments.enumerated() {
                try FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
                // Every other time it is the second sync that does not live to its end.
                if number % 2 == 1 { try scenario.succeed("sync", "--date", Self.names[0]) }
                if try kill(scenario, moment, &delay) { killed += 1 }
                // What is there can be read, and is one state or the other.
                let snapshots = try scenario.succeed("snapshots", "--json").records.compactMap {
                    $0["name"] as? String
                }
                let states = number % 2 == 1 ? [[Self.names[0]], Self.names] : [[], [Self.names[1]]]
                #expect(states.contains(snapshots))
                for name in Self.names { try scenario.succeed("sync", "--date", name) }
                let state = try State(scenario)
                #expect(state.blobs == reference.blobs, "\(moment.testDescription)")
                #expect(state.snapshots == reference.snapshots, "\(moment.testDescription)")
                #expect(state.listings == reference.listings, "\(moment.testDescription)")
                #expect(state.versions == reference.versions, "\(moment.testDescription)")
                #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty, "\(moment.testDescription)")
            }
            #expect(killed >= 4, "most syncs should have been killed before their end")
        }
    }

    /// Starts the newest sync, and kills it; whether it had not ended before.
    private func kill(_ scenario: Scenario, _ moment: KillMoment, _ delay: inout KillDelay) throws -> Bool {
        let store = scenario.store
        let before = try StoreDigest.files("\(store)/blobs").count
        let program = try scenario.start(["sync", "--store", store, "--jobs", "8"])
        _ = try Clock.wait(seconds: 30) {
            if program.hasEnded { return true }
            switch moment {
            case .after: return true
            case .blobs(let count): return try StoreDigest.files("\(store)/blobs").count >= before + count
            case .download: return try Files.names(in: "\(store)/tmp").contains { Int($0) != nil }
            case .commit: return (Files.size("\(store)/index.sqlite-wal") ?? 0) > 100_000
            }
        }
        guard case .after(let part) = moment else {
            program.kill(SIGKILL)
            return try program.wait().status == 128 + SIGKILL
        }
        _ = Clock.wait(seconds: delay.longest * part) { program.hasEnded }
        program.kill(SIGKILL)
        let isKilled = try program.wait().status == 128 + SIGKILL
        delay.note(isKilled: isKilled)
        return isKilled
    }
}
