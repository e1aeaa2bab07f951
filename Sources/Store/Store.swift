import Basics
import Blobs
import Glibc
import Index
import Model
import SQLite

/// A store: one directory with the blobs, the index and the configuration of one bucket.
public struct Store: Sendable {
    /// Absolute.
    public let path: String
    public let configuration: StoreConfiguration

    public var configurationPath: String { "\(path)/\(StoreLayout.configuration)" }
    /// `index.sqlite`, but for an index that is being made again.
    public var indexPath: String
    public var temporaryPath: String { "\(path)/\(StoreLayout.temporary)" }
    public var inventoriesPath: String { "\(path)/\(StoreLayout.inventories)" }
    public var quarantinePath: String { "\(path)/\(StoreLayout.quarantine)" }
    /// `blobs`, but for a cache of a replica that lies in a directory.
    public var blobsPath: String
    public var blobs: Blobs { Blobs(path: blobsPath) }

    /// Opens the store at a path.
    ///
    /// - Throws: `notFound` for a directory that is no store.
    public init(path: String) throws {
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        guard Files.exists("\(path)/\(StoreLayout.configuration)") else {
            throw IcecoreError(
                .notFound,
                Files.exists(path)
                    ? "'\(path)' is no store (it has no icecore.json): 'icecore init' makes one"
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

    /// Finds the store that a command works on: the path given, else `$ICECORE_STORE`, else the current directory or
    /// the nearest one above it that is a store.
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

    /// Makes a store in a new or empty directory. The configuration comes last: a directory without it is no store.
    public static func create(at path: String, _ configuration: StoreConfiguration) throws -> Store {
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        if Files.exists("\(path)/\(StoreLayout.configuration)") {
            throw IcecoreError(.busy, "'\(path)' is a store already")
        }
        try prepare(path)
        try configuration.write(to: "\(path)/\(StoreLayout.configuration)")
        return try Store(path: path)
    }

    /// The store that is to become a clone: one that exists, or everything but the configuration of a new one.
    ///
    /// - Parameter configuration: of the store that is cloned.
    public static func forClone(at path: String, _ configuration: StoreConfiguration) throws -> (Store, isNew: Bool) {
        let path = Files.absolute(path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
        if Files.exists("\(path)/\(StoreLayout.configuration)") { return (try Store(path: path), false) }
        try prepare(path)
        return (Store(path: path, configuration), true)
    }

    /// Writes the configuration, with which a clone becomes a store; of a store that is one already, what belongs to the
    /// index: where the inventories are, and how to reach the bucket, is its own affair.
    public func adopt(_ configuration: StoreConfiguration) throws {
        guard Files.exists(configurationPath) else { return try configuration.write(to: configurationPath) }
        var own = try StoreConfiguration(path: configurationPath)
        guard own.distrustETagsSince == nil, configuration.distrustETagsSince != nil else { return }
        own.distrustETagsSince = configuration.distrustETagsSince
        own.format = max(own.format, configuration.format)
        try own.write(to: configurationPath)
    }

    private static func prepare(_ path: String) throws {
        if Files.exists(path) {
            // What an interrupted init left behind may be there; anything else is somebody's data.
            if let foreign = try Files.names(in: path).first(where: { !StoreLayout.mayPrecede($0) }) {
                throw IcecoreError(
                    .busy, "'\(path)' is not empty (it holds '\(foreign)'): give a new or an empty directory")
            }
        }
        // A new directory is as durable as the names that lead to it. Its own may be that of an init that was killed.
        var parents = [Files.directory(of: path)]
        while let parent = parents.last, !Files.exists(parent) { parents.append(Files.directory(of: parent)) }
        try Files.createDirectories(path)
        for name in [StoreLayout.temporary, StoreLayout.inventories, StoreLayout.quarantine] {
            try Files.createDirectory("\(path)/\(name)")
        }
        try Blobs(path: "\(path)/\(StoreLayout.blobs)").prepare()
        _ = try IndexDatabase(path: "\(path)/\(StoreLayout.index)")
        try Files.synchronizeDirectory(path)
        // One may write to a directory without being allowed to read it.
        for parent in parents where access(parent, R_OK) == 0 { try Files.synchronizeDirectory(parent) }
    }

    /// Removes what processes that ended early have left. Only for the holder of the lock: it says that they are gone.
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

    /// The path of the blob of an ETag; nil where it is not in the store.
    public func blob(etag: ETag, size: Int64, _ reader: IndexReader) throws -> String? {
        try blobs.find(etag: etag, size: size) { try reader.blobFacts(etag: etag, size: size).sha256 }
    }
}
