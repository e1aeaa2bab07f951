import Basics
import Foundation
import Testbed
import Testing

/// A bucket that exists only in inventories, and on a server that has its objects.
struct MadeUpBucket {
    let server: FaultServer
    let folder: InventoryFolder
}

extension Scenario {
    /// The name of the made-up bucket.
    static let bucket = "bucket"

    private var part: MadeUpBucket {
        guard let madeUpBucket else { preconditionFailure("this scenario has no made-up bucket") }
        return madeUpBucket
    }

    /// The server with the objects of the made-up bucket.
    var server: FaultServer { part.server }
    /// The inventories of the made-up bucket.
    var folder: InventoryFolder { part.folder }

    /// Runs a test with a store of a made-up bucket.
    ///
    /// - Parameters:
    ///   - permanentFilter: what `init` is told.
    ///   - packBelow: what is smaller goes into packs.
    ///   - place: where all of it is, if not where temporary files are.
    static func withBucket(
        permanentFilter: String? = nil, packBelow: String? = nil, in place: String? = nil,
        _ body: (Scenario) throws -> Void
    ) throws {
        let server = try FaultServer()
        try use(server, in: place) { scenario in
            // The server checks nothing, but what is sent must not be seen anywhere.
            scenario.environment["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLEEXAMPLE"
            scenario.environment["AWS_SECRET_ACCESS_KEY"] = "hidden/secret+key/of/the/test"
            scenario.environment["AWS_SESSION_TOKEN"] = "hidden-token-of-the-test"
            scenario.hide("hidden/secret+key/of/the/test")
            scenario.hide("hidden-token-of-the-test")
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: bucket)
            scenario.madeUpBucket = MadeUpBucket(server: server, folder: folder)
            let filter = permanentFilter.map { ["--filter", $0] } ?? []
            let packs = packBelow.map { ["--pack-below", $0] } ?? []
            let run = try scenario.run(
                ["init", scenario.store, "--bucket", "s3://\(bucket)", "--inventory", folder.url] + filter + packs)
            try #require(run.status == 0, "\(run)")
            // What init has asked is not what tests count.
            try server.reset()
            try body(scenario)
        }
    }

    /// Writes an inventory, and has the server serve what it lists.
    func add(
        _ name: String, _ rows: [InventoryFolder.Row], columns: [String] = InventoryFolder.columns
    ) throws {
        try folder.write(name, rows, columns: columns)
        try server.add(Self.bucket, rows)
    }

    /// How often the objects were asked for since the last reset, by `METHOD`-less target.
    func requests() throws -> [String: Int] {
        // 'init' asks for one key of the bucket.
        try server.statistics().targets.filter { target, _ in
            !target.hasPrefix("/\(Self.bucket)?") && !target.hasPrefix("/\(Self.bucket)/?")
        }
    }

    func target(_ row: InventoryFolder.Row) -> String {
        FaultServer.target(Self.bucket, row)
    }

    var blobs: [String] {
        get throws { try StoreDigest.blobs(store).keys.sorted() }
    }

    /// What `status --json` says could not be had.
    func failures() throws -> [[String: Any]] {
        Array(try succeed("status", "--json").records.dropFirst())
    }
}
