import Basics
import Glibc
import Model
import Packs
import Store

/// The packs of a replica on their way into a store.
struct ClonedPacks {
    private let store: Store
    private let listed: Set<PackName>

    init(_ store: Store) {
        self.store = store
        listed = Set(((try? store.packs.current())?.packs ?? [:]).values)
    }

    /// Whether the store has a pack, or has fetched it under a blob's name.
    func has(_ pack: PackName, size: Int64) throws -> Bool {
        if listed.contains(pack), Files.size(store.packs.folder.path(of: pack)) == size { return true }
        return Files.size(arrived(pack, size)) == size
    }

    private func arrived(_ pack: PackName, _ size: Int64) -> String {
        store.blobs.path(ofName: BlobName.file(sha256: pack.digest, size: size))
    }

    /// Makes packs that have come part of the store, durably.
    func add(_ packs: [PackName: Int64]) throws {
        let folder = store.packs.folder
        var added: [PackName] = []
        var directories: Set<String> = []
        for (pack, size) in packs where !listed.contains(pack) || Files.size(folder.path(of: pack)) != size {
            let (source, target) = (arrived(pack, size), folder.path(of: pack))
            if Files.size(source) == size {
                let fan = Files.directory(of: target)
                try Files.createDirectory(fan)
                try Files.rename(source, target)
                directories.formUnion([Files.directory(of: source), fan, folder.path])
            }
            if Files.size(target) == size { added.append(pack) }
        }
        guard !added.isEmpty else { return }
        for directory in directories { try Files.synchronizeDirectory(directory) }
        try Interruption.shielded { try PackKeeper(store).commit(adding: added) }
    }
}
