import Basics
import Foundation
import Testbed
import Testing

extension Scenario {
    @discardableResult
    func push(
        _ place: ReplicaPlace, _ words: String..., store: String? = nil, status: Int32 = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Run {
        let run = try run(
            ["push", place.url, "--store", store ?? self.store] + place.flags + words, environment: place.environment)
        try #require(run.status == status, "\(run)", sourceLocation: sourceLocation)
        return run
    }

    @discardableResult
    func clone(
        _ place: ReplicaPlace, _ name: String, _ words: String..., status: Int32 = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let path = "\(directory)/\(name)"
        let run = try run(["clone", place.url, path] + place.flags + words, environment: place.environment)
        try #require(run.status == status, "\(run)", sourceLocation: sourceLocation)
        return path
    }

    /// Everything that the views of a store say, as bytes.
    func allViews(of store: String) throws -> [[UInt8]] {
        let snapshots = try run(["snapshots", "--json", "--store", store])
        var views = [snapshots.stdout]
        for record in try snapshots.records {
            let name = try #require(record["name"] as? String)
            let list = try run(["ls", "-R", "--json", "--at", name, "--store", store])
            #expect(list.status == 0, "\(list)")
            views.append(list.stdout)
        }
        views.append(try run(["ls", "-R", "--json", "--at", "2024-03-02T12:30:00Z", "--store", store]).stdout)
        return views
    }

    /// Expects a store to be sound, and to show and hold what another one does.
    func expectSame(_ store: String, as original: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let verify = try run(["verify", "--store", store])
        #expect(verify.status == 0, "\(verify)", sourceLocation: sourceLocation)
        #expect(try allViews(of: store) == allViews(of: original), sourceLocation: sourceLocation)
        StoreDigest.expectSame(
            try StoreDigest.blobs(store), try StoreDigest.blobs(original), sourceLocation: sourceLocation)
        #expect(try StoreDigest.files("\(store)/tmp").isEmpty, sourceLocation: sourceLocation)
    }
}
