import Basics
import Foundation
import Testbed
import Testing

/// A store in an object store, beside an ordinary one of the same bucket, which is the truth.
struct ObjectStoreScenario {
    let scenario: Scenario
    let place: ReplicaPlace
    let admin: S3Admin
    var store: String { "\(scenario.directory)/distant" }

    /// - Parameter server: that has the target; a proxy before it, perhaps.
    init(_ scenario: Scenario, _ server: S3Server, versioned: Bool = false, words: [String] = []) throws {
        self.scenario = scenario
        place = try .bucket(server, versioned: versioned)
        admin = try S3Admin(server)
        // The made-up bucket's server checks nothing.
        for (name, value) in place.environment where name.hasPrefix("AWS_") && !name.contains("ENDPOINT") {
            scenario.environment[name] = value
        }
        scenario.hide(server.secretKey)
        try scenario.server.reset()
        let run = try scenario.run(
            ["init", store, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url] + blobs + words)
        try #require(run.status == 0, "\(run)")
    }

    /// The flags of `init` that say where the contents are to be.
    var blobs: [String] { ["--blobs", place.url, "--blobs-endpoint-url", place.server?.endpoint ?? ""] }

    @discardableResult
    func sync(_ words: String..., status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> Run {
        let run = try scenario.run(["sync", "--store", store] + words, seconds: 300)
        try #require(run.status == status, "\(run)", sourceLocation: sourceLocation)
        return run
    }

    func startSync(_ words: String...) throws -> RunningProgram {
        try scenario.start(["sync", "--store", store] + words)
    }

    func startWork(_ words: String...) throws -> RunningProgram {
        let directory = "\(scenario.directory)/spool-\(UInt32.random(in: 0 ... .max))"
        return try scenario.start(
            ["work", place.url, "--blobs-endpoint-url", place.server?.endpoint ?? "", "--spool-directory", directory]
                + words)
    }

    /// What is at the target, below the prefix.
    func listing() throws -> [String] {
        try admin.listVersions(place.bucketName).filter { $0.isLatest && !$0.deleteMarker }
            .map { String($0.key.dropFirst("some/prefix/".count)) }
    }

    /// Expects the store to show what the ordinary one does, every content to be there once, and all ways of reading to give
    /// the same.
    func expectWhole(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(
            try scenario.allViews(of: store) == scenario.allViews(of: scenario.store), sourceLocation: sourceLocation)
        #expect(try StoreDigest.blobs(store).isEmpty, "contents do not stay here", sourceLocation: sourceLocation)
        let clone = try scenario.clone(place, "clone-\(UInt32.random(in: 0 ... .max))")
        let verify = try scenario.run(["verify", "--store", clone])
        #expect(verify.status == 0, "\(verify)", sourceLocation: sourceLocation)
        #expect(
            try scenario.allViews(of: clone) == scenario.allViews(of: scenario.store), sourceLocation: sourceLocation)
        // Verified above: that these are the right ones, some show.
        let rows = scenario.rows.filter { $0.isLatest && !$0.isMarker }
        for row in rows.prefix(10) + rows.suffix(10) {
            let content = try scenario.run(["cat", row.key, "--store", clone])
            #expect(content.stdout.isSame(as: row.content), "\(row.key)", sourceLocation: sourceLocation)
        }
        // Each content is in one pack, or an object of its own: no more packs than the clone's catalogue lists.
        let packs = try listing().filter { $0.hasPrefix("packs/") }
        let kept = try StoreDigest.files("\(clone)/packs").filter { $0.contains("/") }
        #expect(packs.count == kept.count, "\(packs) \(kept)", sourceLocation: sourceLocation)
        let work = try listing().filter { $0.hasPrefix("work/") && !$0.hasSuffix(".done") }
        #expect(work.isEmpty, "\(work)", sourceLocation: sourceLocation)
        try Files.removeAll(clone)
    }

    /// Looks into every object of the target.
    func expectNoCredentials(sourceLocation: SourceLocation = #_sourceLocation) throws {
        for path in try listing() {
            let content = try admin.get(place.bucketName, "some/prefix/\(path)")
            var texts = [String(decoding: content, as: UTF8.self)]
            if content.starts(with: [0x1f, 0x8b]) {
                let file = "\(scenario.directory)/object.gz"
                try Files.replace(file, with: content)
                texts.append(try scenario.shell("gunzip -c '\(file)'").text)
            }
            for text in texts {
                for secret in [place.server?.secretKey, place.server?.accessKey, "hidden"].compactMap({ $0 }) {
                    #expect(!text.contains(secret), "\(path)", sourceLocation: sourceLocation)
                }
            }
        }
    }
}
