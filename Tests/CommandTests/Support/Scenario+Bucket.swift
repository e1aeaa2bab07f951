import Basics
import Foundation
import Testbed
import Testing

/// A store of a made-up bucket, and the server that has its objects.
final class SyncBench {
    static let bucket = "bucket"
    let bench: Bench
    let server: FaultServer
    let folder: InventoryFolder

    private init(_ bench: Bench, _ server: FaultServer) throws {
        self.bench = bench
        self.server = server
        folder = try InventoryFolder("\(bench.directory)/inventories", bucket: Self.bucket)
    }

    /// - Parameters:
    ///   - permanentFilter: what `init` is told.
    ///   - place: where all of it is, if not where temporary files are.
    static func use(
        permanentFilter: String? = nil, in place: String? = nil, _ body: (SyncBench) throws -> Void
    ) throws {
        let server = try FaultServer()
        try Bench.use(server, in: place) { bench in
            // The server checks nothing, but what is sent must not be seen anywhere.
            bench.environment["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLEEXAMPLE"
            bench.environment["AWS_SECRET_ACCESS_KEY"] = "hidden/secret+key/of/the/test"
            bench.environment["AWS_SESSION_TOKEN"] = "hidden-token-of-the-test"
            bench.hide("hidden/secret+key/of/the/test")
            bench.hide("hidden-token-of-the-test")
            let sync = try SyncBench(bench, server)
            let filter = permanentFilter.map { ["--filter", $0] } ?? []
            let run = try bench.run(
                ["init", bench.store, "--bucket", "s3://\(Self.bucket)", "--inventory", sync.folder.url] + filter)
            try #require(run.status == 0, "\(run)")
            try body(sync)
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
        try server.statistics().targets
    }

    func target(_ row: InventoryFolder.Row) -> String {
        FaultServer.target(Self.bucket, row)
    }

    var blobs: [String] {
        get throws { try StoreDigest.blobs(bench.store).keys.sorted() }
    }

    /// What `status --json` says could not be had.
    func failures() throws -> [[String: Any]] {
        Array(try bench.succeed("status", "--json").records.dropFirst())
    }
}
