import Basics
import Glibc
import Index
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

    /// Removes packs that the replica does not name any more, apart from those that alone have what a row names: the store
    /// that pushes writes its packs anew now and then. One look-up a row, if there are such packs at all.
    ///
    /// - Parameter index: that of the store, durably.
    /// - Returns: how many are gone; nil: somebody pushes from this store, and so nothing may go.
    func removeReplaced(by packs: [PackName: Int64], _ index: IndexReader) throws -> Int? {
        let all = try store.packs.current()?.packs ?? [:]
        let old = all.filter { packs[$0.value] == nil }
        guard !old.isEmpty else { return 0 }
        let hold: BlobDeletionLock
        do {
            hold = try BlobDeletionLock(store, removing: true)
        } catch let error as IcecoreError where error.code == .busy {
            return nil
        }
        defer { withExtendedLifetime(hold) {} }
        var needed: Set<UInt32> = []
        try MissingContents(store, index).scan(
            { content in
                // Nothing is left to find out once all of them are.
                if needed.count < old.count {
                    needed.formUnion(try places(content, index) { place in old[place] != nil })
                }
                return false
            }, looksForMissing: false
        ) { _, _ in
        }
        let gone = old.filter { !needed.contains($0.key) }
        guard !gone.isEmpty else { return 0 }
        try Interruption.shielded { try PackKeeper(store).commit(adding: [], removing: Set(gone.values)) }
        return gone.count
    }

    /// The packs that have a content, by their numbers, if nothing but some packs has it.
    private func places(
        _ content: ContentKey, _ index: IndexReader, only isMeant: (UInt32) -> Bool
    ) throws -> [UInt32] {
        var name = BlobName.etag(content.etag, size: content.size)
        var places = content.etag.verbatim == nil ? try store.packs.places(name).map(\.pack) : []
        if places.isEmpty, let digest = try index.blobFacts(etag: content.etag, size: content.size).sha256 {
            name = .sha256(digest, size: content.size)
            places = try store.packs.places(name).map(\.pack)
        }
        guard !places.isEmpty, places.allSatisfy(isMeant) else { return [] }
        return Files.size(store.blobs.path(ofName: name.file)) == name.size ? [] : places
    }
}
