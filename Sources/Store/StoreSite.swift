import Basics
import Blobs
import Glibc
import Index

/// Where a store is about to be made: a new or empty directory on a file system that can hold a store.
///
/// What it makes before there is a store is what an interrupted `init` leaves behind, and is no obstacle to the next one.
public struct StoreSite: Sendable {
    /// How many files and directories a store has before anything is in it: those of blobs, and its own names.
    public static let ownFiles = 256 + 12

    /// The absolute path.
    public let path: String
    /// What the file system can do.
    public let abilities: FileSystemAbilities
    /// The directories that were made for it, the outermost first.
    private let made: [String]
    /// Those that have a new name in them since.
    private let parents: [String]

    /// Looks at the place, makes the directory, and tries out its file system.
    ///
    /// - Throws: `busy` for a directory that holds something else, or a store already (unless that is to become a clone);
    ///   `unsupported` where no store can be. Nothing is left behind then.
    public init(_ given: String) throws {
        let path = Store.absolute(given)
        self.path = path
        try StoreSite.check(path)
        let temporary = "\(path)/\(StoreLayout.temporary)"
        // A new directory is only as durable as the names that lead to it. Its own may stem from a killed init.
        var parents = [Files.directory(of: path)]
        while let parent = parents.last, !Files.exists(parent) { parents.append(Files.directory(of: parent)) }
        self.parents = parents
        let missing = ([temporary, path] + parents).filter { !Files.exists($0) }
        made = missing.reversed()
        do {
            try Files.createDirectories(temporary)
            abilities = FileSystemAbilities(in: temporary)
            if let refusal = abilities.refusal(path) { throw refusal }
        } catch {
            StoreSite.remove(made)
            throw error
        }
    }

    private static func check(_ path: String) throws {
        var status = stat()
        if stat(path, &status) != 0 {
            if Files.exists(path) {
                throw IcecoreError(.notFound, "'\(path)' is a symbolic link that leads nowhere: give a directory")
            }
            return
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw IcecoreError(.busy, "'\(path)' is not a directory: give a new or empty one")
        }
        if try Files.isThere("\(path)/\(StoreLayout.configuration)") {
            throw IcecoreError(.busy, "'\(path)' is already a store")
        }
        // The leftovers of an interrupted init are allowed; anything else is someone's data.
        let names = try Files.names(in: path)
        try refuseLinks(path, names.filter(StoreLayout.mayPrecede))
        if let foreign = names.first(where: { !StoreLayout.mayPrecede($0) }) {
            throw IcecoreError(
                .busy, "'\(path)' is not empty (it holds '\(foreign)'): give a new or empty directory")
        }
    }

    /// Expects the directories that an interrupted init has left to be real ones: through a link, a store would be in two
    /// places, and every later command refuses it.
    private static func refuseLinks(_ path: String, _ names: [String]) throws {
        for name in names {
            var status = stat()
            guard lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { continue }
            throw IcecoreError(
                .busy,
                "'\(path)/\(name)' is a symbolic link: a store has to be in one directory, on one file system. Remove the "
                    + "link, or give another directory")
        }
    }

    /// Removes what was made, if it is still empty.
    public func abandon() {
        StoreSite.remove(made)
    }

    private static func remove(_ made: [String]) {
        for directory in made.reversed() { rmdir(directory) }
    }

    /// Makes everything that a store needs but its configuration.
    func prepare() throws {
        for name in [StoreLayout.temporary, StoreLayout.inventories, StoreLayout.quarantine] {
            try Files.createDirectory("\(path)/\(name)")
        }
        try Blobs.prepare("\(path)/\(StoreLayout.blobs)")
        _ = try IndexDatabase(path: "\(path)/\(StoreLayout.index)")
        try Files.synchronizeDirectory(path)
        // A directory can be writable without being readable.
        for parent in parents where access(parent, R_OK) == 0 { try Files.synchronizeDirectory(parent) }
    }
}
