import Basics
import Blobs
import Glibc
import Index
import Model
import Packs
import SQLite

/// A store: one directory with the blobs, the index and the configuration of one bucket.
public struct Store: Sendable {
    /// The absolute path.
    public let path: String
    public private(set) var configuration: StoreConfiguration

    public var configurationPath: String { "\(path)/\(StoreLayout.configuration)" }
    /// `index.sqlite`, except while the index is being rebuilt.
    public var indexPath: String
    public var temporaryPath: String { "\(path)/\(StoreLayout.temporary)" }
    public var inventoriesPath: String { "\(path)/\(StoreLayout.inventories)" }
    public var quarantinePath: String { "\(path)/\(StoreLayout.quarantine)" }
    /// `blobs`, except for the cache of a replica in a directory.
    public var blobsPath: String
    public var blobs: Blobs { Blobs(path: blobsPath, packs: packs, elsewhere: elsewhere) }
    public var packsPath: String { packs.folder.path }
    /// Shared by all copies of this value. Those of a replica in a directory, for its cache.
    public var packs: PackSet
    /// Of a store in an object store; shared by all copies of this value.
    private var elsewhere: HeldContents?

    /// Opens the store at a path.
    ///
    /// - Throws: `notFound` for a directory that is not a store.
    public init(path: String) throws {
        let path = Store.absolute(path)
        guard try Files.isThere("\(path)/\(StoreLayout.configuration)") else {
            throw IcecoreError(
                .notFound,
                Files.exists(path)
                    ? "'\(path)' is not a store (it has no icecore.json): 'icecore init' creates one"
                    : "there is no store at '\(path)': the directory does not exist")
        }
        self.path = path
        indexPath = "\(path)/\(StoreLayout.index)"
        blobsPath = "\(path)/\(StoreLayout.blobs)"
        packs = PackSet(path: "\(path)/\(StoreLayout.packs)")
        configuration = try StoreConfiguration(path: "\(path)/\(StoreLayout.configuration)")
        elsewhere = configuration.objectStore.map {
            HeldContents(path: "\(path)/\(StoreLayout.replicas)/\($0.replicaId).sqlite")
        }
    }

    private init(path: String, _ configuration: StoreConfiguration) {
        self.path = path
        indexPath = "\(path)/\(StoreLayout.index)"
        blobsPath = "\(path)/\(StoreLayout.blobs)"
        packs = PackSet(path: "\(path)/\(StoreLayout.packs)")
        self.configuration = configuration
    }

    /// Finds the store that a command works on: the given path, else `$ICECORE_STORE`, else the current directory or
    /// its nearest ancestor that is a store.
    public static func find(_ given: String?, environment: [String: String]) throws -> Store {
        if let given { return try Store(path: given) }
        if let named = environment["ICECORE_STORE"], !named.isEmpty { return try Store(path: named) }
        var directory = Files.absolute(".")
        if directory.hasSuffix("/.") { directory.removeLast(2) }
        while true {
            if Files.exists("\(directory)/\(StoreLayout.configuration)") { return try Store(path: directory) }
            if directory.isEmpty || directory == "/" { break }
            directory = Files.directory(of: directory)
        }
        throw IcecoreError(
            .notFound, "no store here: give --store PATH, set ICECORE_STORE, or change to a directory inside a store")
    }

    /// Creates a store in a new or empty directory. The configuration comes last: it makes the directory a store.
    public static func create(at path: String, _ configuration: StoreConfiguration) throws -> Store {
        try create(on: StoreSite(path), configuration)
    }

    /// Creates a store where that was found to be possible.
    public static func create(on site: StoreSite, _ configuration: StoreConfiguration) throws -> Store {
        try site.prepare()
        let path = "\(site.path)/\(StoreLayout.configuration)"
        // Another process may have been quicker.
        let lock = try File("\(site.path)/\(StoreLayout.lock)", O_RDWR | O_CREAT | O_NOFOLLOW)
        guard try FileLock.exclusive.acquireNow(lock), try !Files.isThere(path) else {
            throw IcecoreError(.busy, "'\(site.path)' is already a store")
        }
        try configuration.write(to: path)
        return try Store(path: site.path)
    }

    /// What a store will be there: a value, without anything on the disk but the site's directory.
    public static func planned(on site: StoreSite, _ configuration: StoreConfiguration) -> Store {
        Store(path: site.path, configuration)
    }

    /// A path as the user gave it, absolute and without a `/` at its end.
    static func absolute(_ path: String) -> String {
        // By bytes: a `/` and an accent after it are one character.
        let isEnded = path.utf8.count > 1 && path.utf8.last == UInt8(ascii: "/")
        return Files.absolute(isEnded ? String(decoding: path.utf8.dropLast(), as: UTF8.self) : path)
    }

    /// The store that is to become a clone: an existing one, or a new one without its configuration.
    ///
    /// - Parameter configuration: of the cloned store.
    public static func forClone(at path: String, _ configuration: StoreConfiguration) throws -> (Store, isNew: Bool) {
        let path = Store.absolute(path)
        if try Files.isThere("\(path)/\(StoreLayout.configuration)") { return (try Store(path: path), false) }
        try StoreSite(path).prepare()
        return (Store(path: path, configuration), true)
    }

    /// The store with other settings, which are not written down.
    public func with(_ configuration: StoreConfiguration) -> Store {
        var store = self
        store.configuration = configuration
        return store
    }

    /// Writes the configuration, which makes a clone a store. In an existing store, replaces only what belongs to the
    /// index: the location of the inventories and the access to the bucket are its own.
    public func adopt(_ configuration: StoreConfiguration) throws {
        guard Files.exists(configurationPath) else { return try configuration.write(to: configurationPath) }
        var own = try StoreConfiguration(path: configurationPath)
        let before = own
        own.takeETagSettings(of: configuration)
        if own != before { try own.write(to: configurationPath) }
    }

    /// Removes what killed processes left behind. Only for the holder of the lock, which proves that they are gone.
    public func removeLeftovers() throws {
        try PartialBlob.removeFinished(in: temporaryPath)
        for name in try Files.names(in: temporaryPath)
        where !name.hasPrefix(PartialBlob.prefix) && !ArrivedHeaders.isCurrent(name)
            && name != UnfinishedListing.directoryName && !name.hasPrefix(PackKeeper.unfinishedPrefix)
        {
            try Files.removeAll("\(temporaryPath)/\(name)")
        }
        try UnfinishedListing.removeAll(but: UnfinishedListing.name(self), self)
        for name in try Files.names(in: path) where StoreLayout.isLeftover(name) {
            try Files.removeAll("\(path)/\(name)")
        }
        try makeRoom()
        try PackKeeper(self).settle()
    }

    /// Says from now on which contents go into packs. Only for the holder of the lock.
    ///
    /// - Parameter limit: those with fewer bytes; nil: none.
    public mutating func setPackLimit(_ limit: Int64?) throws {
        var configuration = try StoreConfiguration(path: configurationPath)
        guard configuration.packBelow != limit else { return }
        configuration.packBelow = limit
        try configuration.write(to: configurationPath)
        try reload()
    }

    /// Reads the configuration again.
    mutating func reload() throws {
        configuration = try StoreConfiguration(path: configurationPath)
    }

    /// Brings an older store to the current format. Only for the holder of the lock.
    public mutating func bringToCurrentFormat() throws {
        _ = try IndexDatabase(path: indexPath)
        guard configuration.format < StoreConfiguration.currentFormat else { return }
        var configuration = try StoreConfiguration(path: configurationPath)
        configuration.format = StoreConfiguration.currentFormat
        try configuration.write(to: configurationPath)
        try reload()
    }

    /// Makes `tmp/` again, which somebody has removed while the store was in use.
    ///
    /// - Throws: `notFound` if the store itself is gone, as when its disk was unmounted.
    public func restoreTemporary() throws {
        guard Files.exists(configurationPath) else {
            throw IcecoreError(.notFound, "the store '\(path)' is no longer there")
        }
        try Files.createDirectory(temporaryPath)
    }

    /// A reader of the index.
    public func reader() throws -> IndexReader {
        // SQLite would take an error for somebody else's lock, and wait. Where nothing can be written, it needs no locks.
        if access(path, W_OK) == 0,
            let refusal = FileSystemAbilities.refusal(path, ifNoRecordLocksOf: configurationPath)
        {
            throw refusal
        }
        return try IndexReader(path: indexPath)
    }

    /// Where the blob of an ETag is; nil if the store lacks it.
    public func blob(etag: ETag, size: Int64, _ reader: IndexReader) throws -> BlobPlace? {
        try blobs.find(etag: etag, size: size) { try reader.blobFacts(etag: etag, size: size).sha256 }
    }

    /// Whether the store has the content of an ETag, be it on the disk or in its object store.
    public func has(etag: ETag, size: Int64, _ reader: IndexReader) throws -> Bool {
        try blobs.has(etag: etag, size: size) { try reader.blobFacts(etag: etag, size: size).sha256 }
    }
}
