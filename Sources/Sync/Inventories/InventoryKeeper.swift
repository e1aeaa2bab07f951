import Basics
import Download
import Glibc
import Inventory
import Model
import Store

/// Keeps copies of the synced inventories, from which the index can be rebuilt.
struct InventoryKeeper {
    let store: Store

    /// Copies an inventory into the store unchanged and makes it durable. Files that are already there intact stay.
    ///
    /// - Parameter stamps: Those of the list files, from before they were read and found to be what the manifest says.
    ///   Without them, each is read here.
    /// - Returns: the inventory, with the copies in place of the originals.
    @discardableResult
    func keep(
        _ inventory: FetchedInventory, _ found: FetchedManifest, _ policy: DownloadPolicy,
        read stamps: [FileStamp]? = nil
    ) throws -> FetchedInventory {
        let directory = "\(store.inventoriesPath)/\(inventory.name)"
        let names = KeptInventory.fileNames(inventory.manifest)
        let copies = names.map { "\(directory)/data/\($0)" }
        try Files.createDirectories("\(directory)/data")
        for (place, copy) in copies.enumerated() where copy != inventory.paths[place] {
            try Interruption.check()
            let file = inventory.manifest.files[place]
            if Files.size(copy) != nil, (try? ContentCheck.md5(copy)) == file.md5 { continue }
            try Files.remove(copy)
            // Only a complete file gets the name: a kill must not leave half a file under it. It is written in tmp/,
            // because among the list files a temporary name could be one of theirs.
            let part = "\(store.temporaryPath)/list-\(place)"
            try Files.remove(part)
            // Mirrors are updated by replacing files; if one were written in place, this would give it away.
            let isUnchanged = try duplicate(inventory.paths[place], at: part, stamps?[place])
            guard try isUnchanged || ContentCheck.md5(part) == file.md5 else {
                try Files.remove(part)
                throw IcecoreError(
                    .invalidData,
                    "the list file '\(inventory.paths[place])' changed while it was being synced: sync again")
            }
            try Files.rename(part, copy)
        }
        try Files.synchronizeDirectory("\(directory)/data")
        try Files.replace("\(directory)/manifest.checksum", with: found.checksum)
        try KeptInventory.write(
            metadataOnly: policy.metadataOnly, filter: policy.filter, permanentFilter: policy.permanentFilter,
            inventory.name, store)
        // Last of all: it vouches for the rest.
        try Files.replace("\(directory)/manifest.json", with: found.json)
        try Files.synchronizeDirectory(store.inventoriesPath)
        var kept = inventory
        kept.paths = copies
        return kept
    }

    /// Duplicates a list file; whether it is certainly what it was when its stamp was taken.
    private func duplicate(_ path: String, at part: String, _ stamp: FileStamp?) throws -> Bool {
        let isUnchanged = try stamp?.holds(in: FileStamp(path)) ?? false
        try Files.duplicate(path, at: part, sharing: [.clone, .link])
        guard isUnchanged, let stamp else { return false }
        return try stamp.holds(inLinkOf: FileStamp(part)) || stamp.holds(in: FileStamp(path))
    }

    /// Removes all but the newest inventories that the store is to keep, and the remains of removals that were killed.
    func trim() throws {
        let unfinished = try Files.names(in: store.inventoriesPath).filter { name in
            InventoryName.isValid(name) && !Files.exists("\(store.inventoriesPath)/\(name)/manifest.json")
        }
        try KeptInventory.remove(unfinished, store)
        guard let limit = store.configuration.keepInventories else { return }
        try KeptInventory.remove(KeptInventory.names(store).dropLast(max(0, limit)), store)
    }
}
