import Basics
import Blobs
import Glibc
import Index
import Model
import SQLite

/// A store: one directory with the blobs, the index and the configuration of one bucket.
public struct Store: Sendable {
    /// The absolute path.
    public let path: String
    public let configuration: StoreConfiguration

    public var configurationPath: String { "\(path)/\(StoreLayout.configuration)" }
    /// `index.sqlite`, except while the index is being rebuilt.
    public var indexPath: String
    public var temporaryPath: String { "\(path)/\(StoreLayout.temporary)" }
    public var inventoriesPath: String { "\(path)/\(StoreLayout.inventories)" }
    public var quarantinePath: String { "\(path)/\(StoreLayout.quarantine)" }
    /// `blobs`, except for the cache of a replica in a directory.
    public var blobsPath: String
    public var blobs: Blobs { Blobs(path: blobsPath) }

    /// Opens the store at a path.
    ///
    /// - Throws: `notFound` for a directory that is not a store.
    public init(path: String) throws {
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        guard Files.exists("\(path)/\(StoreLayout.configuration)") else {
            throw IcecoreError(
                .notFound,
                Files.exists(path)
                    ? "'\(path)' is not a store (it has no icecore.json): 'icecore init' creates one"
                    : "there is no store at '\(path)': the directory does not exist")
        }
        self.path = path
        indexPath = "\(path)/\(StoreLayout.index)"
        blobsPath = "\(path)/\(StoreLayout.blobs)"
        configuration = try StoreConfiguration(path: "\(path)/\(StoreLayout.configuration)")
    }

    private init(path: String, _ configuration: StoreConfiguration) {
        self.path = path
        indexPath = "\(path)/\(StoreLayout.index)"
        blobsPath = "\(path)/\(StoreLayout.blobs)"
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
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        if Files.exists("\(path)/\(StoreLayout.configuration)") {
            throw IcecoreError(.busy, "'\(path)' is already a store")
        }
        try prepare(path)
        try configuration.write(to: "\(path)/\(StoreLayout.configuration)")
        return try Store(path: path)
    }

    /// The store that is to become a clone: an existing one, or a new one without its configuration.
    ///
    /// - Parameter configuration: of the cloned store.
    public static func forClone(at path: String, _ configuration: StoreConfiguration) throws -> (Store, isNew: Bool) {
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        if Files.exists("\(path)/\(StoreLayout.configuration)") { return (try Store(path: path), false) }
        try prepare(path)
        return (Store(path: path, configuration), true)
    }

    /// Writes the configuration, which makes a clone a store. In an existing store, replaces only what belongs to the
    /// index: the location of the inventories and the access to the bucket are its own.
    public func adopt(_ configuration: StoreConfiguration) throws {
        guard Files.exists(configurationPath) else { return try configuration.write(to: configurationPath) }
        var own = try StoreConfiguration(path: configurationPath)
        let distrusts = own.distrustETagsSince == nil && configuration.distrustETagsSince != nil
        guard distrusts || own.etagsUnknownSince != configuration.etagsUnknownSince else { return }
        if distrusts { own.distrustETagsSince = configuration.distrustETagsSince }
        own.etagsUnknownSince = configuration.etagsUnknownSince
        own.format = max(own.format, configuration.format)
        try own.write(to: configurationPath)
    }

    private static func prepare(_ path: String) throws {
        if Files.exists(path) {
            // The leftovers of an interrupted init are allowed; anything else is someone's data.
            if let foreign = try Files.names(in: path).first(where: { !StoreLayout.mayPrecede($0) }) {
                throw IcecoreError(
                    .busy, "'\(path)' is not empty (it holds '\(foreign)'): give a new or empty directory")
            }
        }
        // A new directory is only as durable as the names that lead to it. Its own may stem from a killed init.
        var parents = [Files.directory(of: path)]
        while let parent = parents.last, !Files.exists(parent) { parents.append(Files.directory(of: parent)) }
        try Files.createDirectories(path)
        for name in [StoreLayout.temporary, StoreLayout.inventories, StoreLayout.quarantine] {
            try Files.createDirectory("\(path)/\(name)")
        }
        try Blobs(path: "\(path)/\(StoreLayout.blobs)").prepare()
        _ = try IndexDatabase(path: "\(path)/\(StoreLayout.index)")
        try Files.synchronizeDirectory(path)
        // A directory can be writable without being readable.
        for parent in parents where access(parent, R_OK) == 0 { try Files.synchronizeDirectory(parent) }
    }

    /// Removes what killed processes left behind. Only for the holder of the lock, which proves that they are gone.
    public func removeLeftovers() throws {
        try PartialBlob.removeFinished(in: temporaryPath)
        for name in try Files.names(in: temporaryPath) where !name.hasPrefix(PartialBlob.prefix) {
            try Files.removeAll("\(temporaryPath)/\(name)")
        }
        for name in try Files.names(in: path) where StoreLayout.isLeftover(name) {
            try Files.remove("\(path)/\(name)")
        }
    }

    /// A reader of the index.
    public func reader() throws -> IndexReader {
        try IndexReader(path: indexPath)
    }

    /// The path of the blob of an ETag; nil if the store lacks it.
    public func blob(etag: ETag, size: Int64, _ reader: IndexReader) throws -> String? {
        try blobs.find(etag: etag, size: size) { try reader.blobFacts(etag: etag, size: size).sha256 }
    }
}
