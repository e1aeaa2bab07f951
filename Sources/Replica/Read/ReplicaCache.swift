import Basics
import Download
import Glibc
import Packs
import S3
import Store

/// A replica as a reader opens it: the index is in a local cache, contents are fetched when they are read.
///
/// The cache is a directory shaped like a store. Everything in it can be fetched again; it can be deleted at any time: a
/// mount makes it again.
public final class ReplicaCache: @unchecked Sendable {
    // The properties are set once; one thread at a time calls `refresh` and `trim`.

    /// The cache as a store to read from.
    public let store: Store
    private let url: ReplicaURL
    private let options: ReplicaOptions
    private let limit: Int64
    /// Nil for a store in an object store, which has its index itself.
    private let index: CachedIndex?
    private let facts: ReplicaFacts?

    /// - Parameters:
    ///   - parent: the directory of all caches; nil: `$XDG_CACHE_HOME/icecore`, or `~/.cache/icecore`.
    ///   - limit: the most bytes of contents to keep, about.
    ///   - isOffline: whether to show what the cache has, without asking the replica.
    ///   - push: an earlier push to open, by its name or number; nil: the newest.
    public init(
        _ url: ReplicaURL, _ options: ReplicaOptions, in parent: String?, limit: Int64, isOffline: Bool,
        push: String? = nil, progress: (Double) -> Void
    ) throws {
        self.url = url
        self.options = options
        self.limit = limit
        let path = try ReplicaCache.path(url, options, parent, push)
        let index = CachedIndex(url: url, options: options, path: path, push: push)
        self.index = index
        if isOffline {
            guard Files.exists("\(path)/icecore.json") else {
                throw IcecoreError(.notFound, "the cache has nothing of \(url) yet: open it once without --offline")
            }
            try ReplicaCache.refuseOthers(path)
        } else {
            try Files.createDirectories(path, mode: 0o700)
            try ReplicaCache.refuseOthers(path)
            try index.refresh(progress: progress)
        }
        var store = try Store(path: path)
        if case .directory(let root) = url {
            store.blobsPath = "\(root)/blobs"
            store.packs = PackSet(
                PackFolder(path: "\(root)/packs", cataloguePath: store.packs.folder.cataloguePath))
            facts = nil
        } else {
            facts = ReplicaFacts(store.indexPath) { try index.refresh { _ in } }
        }
        self.store = store
    }

    /// A store in an object store as a cache of that: only contents come from elsewhere.
    ///
    /// - Throws: `usage` for any other store.
    public init(_ store: Store, limit: Int64, environment: [String: String]) throws {
        guard let place = store.configuration.objectStore else {
            throw IcecoreError(.usage, "'\(store.path)' has its contents on its own disk")
        }
        url = try ReplicaURL(place.url)
        options = try place.options(environment)
        self.limit = limit
        index = nil
        facts = ReplicaFacts(store.indexPath)
        self.store = store
    }

    /// Where contents come from; nil: they are all on this machine.
    public var origin: ContentOrigin? {
        guard case .bucket(let location) = url, let facts else { return nil }
        let packs = store.packs
        return .replica(
            location, facts: { try facts.lookUp($0) },
            packs: { _, name in
                _ = try packs.refresh()
                return try packs.expected(name).map { PackedOrigin(path: "packs/\($0.pack.path)", record: $0) }
            })
    }

    /// Whether contents can be fetched.
    public var hasContents: Bool { origin != nil }

    /// A client for the replica's server.
    public func client() throws -> S3Client { try options.client() }

    /// Fetches the index if there is a newer one, and keeps the contents within their limit.
    public func refresh() throws {
        try restore()
        try index?.refresh { _ in }
        try trim()
    }

    /// Makes the directories of the cache again, which somebody has removed while it was in use. Its index comes with
    /// the next ``refresh()``.
    public func restore() throws {
        if Files.exists(store.temporaryPath) { return }
        if index == nil { return try store.restoreTemporary() }
        try Files.createDirectories(store.path, mode: 0o700)
        try ReplicaCache.refuseOthers(store.path)
        for path in [store.temporaryPath, store.quarantinePath] { try Files.createDirectory(path) }
        if case .bucket = url { try store.blobs.prepare() }
    }

    func trim() throws {
        // The contents of a replica in a directory are not in the cache.
        guard case .bucket = url else { return }
        try CachedContents(store: store, limit: limit).trim()
    }

    private static func path(_ url: ReplicaURL, _ options: ReplicaOptions, _ parent: String?, _ push: String?) throws
        -> String
    {
        let environment = options.environment
        let base: String
        if let parent {
            guard !parent.isEmpty else { throw IcecoreError(.usage, "--cache needs the name of a directory") }
            base = Files.absolute(parent)
        } else if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
            base = "\(cache)/icecore"
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            base = "\(home)/.cache/icecore"
        } else {
            throw IcecoreError(.usage, "there is no place for a cache: set HOME, or use --cache DIRECTORY")
        }
        var identity = "\(url)"
        // A bucket's name says nothing without the server, and on some servers each account has its own names.
        if case .bucket(let location) = url {
            let configuration = try options.configuration()
            identity += "\n\(configuration.address(of: location.bucket))\n\(configuration.profileName ?? "")"
        }
        if let push { identity += "\npush \(push)" }
        return "\(base)/\(Hex.encode(SHA256.digest(Array(identity.utf8)).prefix(16)))"
    }

    /// Refuses a directory that others may write to: they could plant links in it.
    private static func refuseOthers(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else {
            throw IcecoreError(
                .forbidden,
                "the cache '\(path)' belongs to another user, or others may write to it: choose another place with "
                    + "--cache"
            )
        }
    }
}
