import ArgumentParser
import Basics
import Replica
import Store

/// What a command reads: a store or a replica.
struct ReadOptions: ParsableArguments {
    @OptionGroup var options: StoreOptions

    @Option(
        help: ArgumentHelp(
            "Read a replica, file:///DIRECTORY or s3://BUCKET/PREFIX, instead of a store.", valueName: "url"))
    var replica: String?

    @Option(
        help: ArgumentHelp(
            "Open an earlier push, by its number or name: 'icecore snapshots --pushes' lists them.", valueName: "name"))
    var push: String?

    @OptionGroup var flags: ReplicaFlags

    @Option(
        help: ArgumentHelp(
            "Where to cache what is read from replicas. Default: ~/.cache/icecore.", valueName: "directory"))
    var cache: String?

    @Option(
        name: .customLong("cache-size"),
        help: ArgumentHelp("How much content to cache: 500M, 10G. Default: 10G.", valueName: "size"),
        transform: { try ByteSize.parse($0, 1 << 20...1 << 60) })
    var cacheSize: Int64?

    func validate() throws {
        if replica != nil, options.store != nil { throw ValidationError("give --store or --replica, not both") }
        if replica == nil, flags.isGiven || cache != nil || cacheSize != nil || push != nil {
            throw ValidationError(
                "--endpoint-url, --region, --addressing, --profile, --no-sign-request, --push, --cache and --cache-size "
                    + "require --replica")
        }
    }

    /// The cache of the replica, or a store in an object store as such a cache; nil if all is in the store itself.
    func openReplica(isOffline: Bool = false) throws -> ReplicaCache? {
        guard let replica else {
            let store = try Store(path: Files.resolved(try options.open().path))
            guard store.configuration.objectStore != nil, !isOffline else { return nil }
            return try ReplicaCache(store, limit: 10 << 30, environment: Console.environment)
        }
        let line = ProgressLine()
        defer { line.clear() }
        return try ReplicaCache(
            ReplicaURL(replica), flags.options(), in: cache, limit: cacheSize ?? 10 << 30, isOffline: isOffline,
            push: push
        ) {
            line.show("fetching the index", $0)
        }
    }

    /// The store, or the cache of the replica.
    func open() throws -> Store {
        try openReplica()?.store ?? options.open()
    }
}
