import Basics
import Download
import Glibc
import Inventory
import Model
import Store

/// Keeps copies of the inventories that are synced, from which the index can be made again.
struct InventoryKeeper {
    let store: Store

    /// Copies an inventory into the store, as it came, and makes it durable. What is there already and whole stays.
    ///
    /// - Returns: the inventory, with the copies in place of the originals.
    @discardableResult
    func keep(
        _ inventory: FetchedInventory, json: [UInt8], checksum: [UInt8], _ policy: Policy
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
            // A name only for what is whole: a kill must not leave half a file under it. Beside the list files, a name
            // of ours could be one of theirs.
            let part = "\(store.temporaryPath)/list-\(place)"
            try Files.remove(part)
            try InventoryKeeper.copy(inventory.paths[place], to: part)
            guard try ContentCheck.md5(part) == file.md5 else {
                try Files.remove(part)
                throw IcecoreError(
                    .invalidData,
                    "the list file '\(inventory.paths[place])' has changed while it was synced: sync again")
            }
            try Files.rename(part, copy)
        }
        try Files.synchronizeDirectory("\(directory)/data")
        try Files.replace("\(directory)/manifest.checksum", with: checksum)
        try KeptInventory.write(
            metadataOnly: policy.metadataOnly, filter: policy.filter, permanentFilter: policy.permanentFilter,
            inventory.name, store)
        // Last of all, for it says that the rest is there.
        try Files.replace("\(directory)/manifest.json", with: json)
        try Files.synchronizeDirectory(store.inventoriesPath)
        var kept = inventory
        kept.paths = copies
        return kept
    }

    /// Shares the blocks where the file system can, or the file where it allows that; else copies. Durable.
    private static func copy(_ path: String, to copy: String) throws {
        let source = try File(path, O_RDONLY)
        do {
            let target = try File(copy, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
            if source.clone(to: target.descriptor) {
                try target.synchronize()
                return try target.close()
            }
        }
        // A mirror is written to by replacing its files; were one written in place, its MD5 would say so.
        try Files.remove(copy)
        if link(path, copy) == 0 { return try source.synchronize() }
        let target = try File(copy, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            try Interruption.check()
            let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { break }
            try buffer.withUnsafeBytes { try target.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
        try target.synchronize()
        try target.close()
    }

    /// Removes all but the newest, as many as the store is to keep, and what removals that were killed have left.
    func trim() throws {
        let unfinished = try Files.names(in: store.inventoriesPath).filter { name in
            InventoryName.isValid(name) && !Files.exists("\(store.inventoriesPath)/\(name)/manifest.json")
        }
        try KeptInventory.remove(unfinished, store)
        guard let limit = store.configuration.keepInventories else { return }
        try KeptInventory.remove(KeptInventory.names(store).dropLast(max(0, limit)), store)
    }
}
